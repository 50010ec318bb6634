package subgraph

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common/lru"

	"assay/graphql/internal/database"
)

// shelf keeps entities and lists of a chain in memory, as they are after the records up to one.
// What later ones change is looked up when they are written, and taken away; the rest stays. It
// also reads what it has not got, for all responses at once.
type shelf struct {
	reader  *database.Reader
	chain   uint64
	types   map[string]*Type // by name
	prefix  string           // of the tables
	records *database.Gather[entityKey, *record]
	runs    *database.Gather[run, *list]

	turn    chan struct{} // who looks up what has changed
	mutex   sync.Mutex
	version uint64 // what is kept is so after all records to this one; 0: that is thrown away
	kept    lru.BasicLRU[any, kept]
	size    int
	long    lru.BasicLRU[uint64, struct{}] // lists that had better not be read whole
}

// entityKey names an entity.
type entityKey struct {
	of *Type
	id string
}

// kept is a record or a list, by its key, its hash or its type.
type kept struct {
	value any
	size  int
}

const (
	shelfSize   = 64 << 20 // bytes, about
	shelfItems  = 1 << 19  // never reached: each takes 200 bytes or more
	maxChanged  = 20_000   // what has changed that is looked up before all is taken away
	maxTogether = 2        // statements of a shelf under way: others wait and are put together
)

func newShelf(reader *database.Reader, d *Definition, prefix string, chain uint64) *shelf {
	s := &shelf{
		reader: reader, chain: chain, types: d.byName, prefix: prefix, turn: make(chan struct{}, 1),
		kept: lru.NewBasicLRU[any, kept](shelfItems), long: lru.NewBasicLRU[uint64, struct{}](10_000),
	}
	s.records = database.NewGather(maxTogether, s.readRecords)
	s.runs = database.NewGather(maxTogether, s.readRuns)
	return s
}

// stand makes the shelf stand at a record, unless it stands at a later one.
func (s *shelf) stand(ctx context.Context, version uint64) error {
	if s.stands(version) {
		return nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mutex.Lock()
	before := s.version
	s.mutex.Unlock()
	if before >= version {
		return nil
	}
	var changed []change
	if before > 0 {
		var err error
		if changed, err = s.changes(ctx, before); err != nil {
			return err
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.version = version
	if before == 0 || len(changed) > maxChanged {
		s.kept.Purge()
		s.size = 0
	}
	for _, c := range changed {
		if c.Key != "" {
			key := s.keyOf(c.Key)
			s.drop(key)
			s.drop(key.of)
		} else {
			s.drop(c.List)
		}
	}
	return nil
}

func (s *shelf) stands(version uint64) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.version >= version
}

// change is an entity or a list that was written.
type change struct {
	Key  string `ch:"key"` // empty: a list
	List uint64 `ch:"list"`
}

// changes reads what was written after a version: more than maxChanged if it is too much.
func (s *shelf) changes(ctx context.Context, version uint64) ([]change, error) {
	var st database.Statement
	since := " WHERE chain = " + st.Bind("UInt64", s.chain) + " AND version > " + st.Bind("UInt64", version)
	st.Add("SELECT * FROM (SELECT DISTINCT key, toUInt64(0) AS list FROM ", s.prefix, "_rows", since,
		" UNION ALL SELECT DISTINCT '', list FROM ", s.prefix, "_links", since, ") LIMIT ", strconv.Itoa(maxChanged+1))
	var changed []change
	err := s.reader.Read(ctx, &changed, &st)
	return changed, err
}

// drop takes something away. The mutex is held.
func (s *shelf) drop(key any) {
	if old, found := s.kept.Peek(key); found {
		s.size -= old.size
		s.kept.Remove(key)
	}
}

// get takes what is known after a record.
func (s *shelf) get(version uint64, key any) (any, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.version != version {
		return nil, false
	}
	found, known := s.kept.Get(key)
	return found.value, known
}

// put keeps what was read for a response, was so after a record and is so since.
func (s *shelf) put(version uint64, key, value any, size int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.version != version {
		return
	}
	s.drop(key)
	s.kept.Add(key, kept{value, size})
	for s.size += size; s.size > shelfSize; {
		_, oldest, _ := s.kept.RemoveOldest()
		s.size -= oldest.size
	}
}

// find finds entities as they were at a moment. Those that there are not are missing.
func (s *shelf) find(ctx context.Context, at moment, keys []entityKey) (map[entityKey]*record, error) {
	known, missing := make(map[entityKey]*record, len(keys)), []entityKey(nil)
	for _, key := range keys {
		if _, twice := known[key]; twice {
			continue
		}
		found, is := s.get(at.written, key)
		known[key], _ = found.(*record)
		if !is {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		read, err := s.records.Get(ctx, missing...)
		if err != nil {
			return nil, err
		}
		for _, key := range missing {
			r := read[key]
			known[key] = r
			if r.version <= at.written { // else it is of a block that is being written
				s.put(at.written, key, r, r.size()+len(key.id))
			}
		}
	}
	return known, s.back(ctx, at, known)
}

// back takes entities back to what they were at a moment.
func (s *shelf) back(ctx context.Context, at moment, known map[entityKey]*record) error {
	later := map[*Type][]string{}
	for key, r := range known {
		switch {
		case r.gone:
			delete(known, key)
		case at.quiet || r.block <= at.block:
		default:
			delete(known, key)
			if !key.of.Immutable {
				later[key.of] = append(later[key.of], key.id)
			}
		}
	}
	for t, ids := range later {
		former, err := s.former(ctx, at, t, ids)
		if err != nil {
			return err
		}
		for _, r := range former {
			known[entityKey{t, r.id()}] = r
		}
	}
	return nil
}

// former reads entities from their history.
func (s *shelf) former(ctx context.Context, at moment, t *Type, ids []string) ([]*record, error) {
	c := newCompiler(s.chain, at)
	c.entities(t, columnsOf{t: t.columns}, ids)
	var rows []row
	if err := s.reader.Read(ctx, &rows, &c.Statement); err != nil {
		return nil, err
	}
	records := make([]*record, len(rows))
	for i, r := range rows {
		records[i] = &record{of: t, values: r.Values, block: at.block}
	}
	return records, nil
}

// packed is a row of the table of packed rows.
type packed struct {
	Key string `ch:"key"`
	Row string `ch:"row"`
}

// readRecords reads entities as they are now. Those that there are not are gone.
func (s *shelf) readRecords(ctx context.Context, keys []entityKey) (map[entityKey]*record, error) {
	found := make(map[entityKey]*record, len(keys))
	names := make([]string, len(keys))
	for i, key := range keys {
		found[key], names[i] = &record{of: key.of, gone: true}, s.name(key)
	}
	slices.Sort(names)
	for some := range slices.Chunk(names, maxKeys) {
		var st database.Statement
		st.Add("SELECT key, row FROM ", s.prefix, "_rows WHERE key IN ", st.Bind("Array(String)", some))
		var rows []packed
		if err := s.reader.Read(ctx, &rows, &st); err != nil {
			return nil, err
		}
		for _, p := range rows {
			key := s.keyOf(p.Key)
			r, err := key.of.unpack(key.id, p.Row)
			if err != nil {
				return nil, err
			}
			if r.version >= found[key].version {
				found[key] = r
			}
		}
	}
	return found, nil
}

// name is the key of an entity in the database.
func (s *shelf) name(key entityKey) string {
	return strconv.FormatUint(s.chain, 10) + " " + key.of.Name + " " + key.id
}

func (s *shelf) keyOf(name string) entityKey {
	_, rest, _ := strings.Cut(name, " ")
	entity, id, _ := strings.Cut(rest, " ")
	return entityKey{s.types[entity], id}
}
