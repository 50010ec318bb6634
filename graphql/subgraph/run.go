package subgraph

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"assay/graphql/internal/database"
)

// run is a part of a list of candidates, in its order: of those that refer to an entity by a
// field, or of all of a type, by time; or of all of a type by id. Candidates may have been
// replaced or taken back since: only their rows say what they are.
type run struct {
	list      uint64 // the hash of a list by time; 0: by id
	low, high uint64 // of time
	of        *Type  // of a list by id
	beyond    string // the id that it begins after, in its direction, if it has such a one
	bounded   bool
	down      bool // the newest first, or the greatest id
	need      int  // how many; 0: all, unless there are too many
}

// list is what a run gave.
type list struct {
	entries []entry
	whole   bool // there are no more
}

// entry is a candidate.
type entry struct {
	time uint64
	of   *Type
	id   string
}

// maxWhole is how long a list may be that is read whole.
const maxWhole = 1000

// allTime is a run of a list from its newest end.
func allTime(list uint64, need int) run {
	return run{list: list, high: math.MaxUint64, down: true, need: need}
}

// listOf is the hash of a list, as the database makes it: of the entities that refer to a
// parent by a field, or, without one, of all of a type.
func listOf(chain uint64, field, parent string) uint64 {
	return xxhash.Sum64String(strconv.FormatUint(chain, 10) + " " + field + " " + parent)
}

// kept is what a run is kept as, nil if it is not: the newest of a list, or all of a type.
func (r run) kept() any {
	switch {
	case r.bounded || r.down != (r.list != 0):
		return nil
	case r.list != 0:
		return r.list
	}
	return r.of
}

// lists finds runs for a response at a moment.
func (s *shelf) lists(ctx context.Context, at moment, runs []run) (map[run]*list, error) {
	known, asked := make(map[run]*list, len(runs)), map[run]run{}
	var missing []run
	for _, r := range runs {
		if kept, _ := s.get(at.written, r.kept()); kept != nil && kept.(*list).serves(r) {
			known[r] = kept.(*list)
			continue
		}
		wanted := r
		if wanted.need == 0 && s.isLong(r.list) {
			wanted.need = maxWhole
		}
		asked[r] = wanted
		missing = append(missing, wanted)
	}
	if len(missing) == 0 {
		return known, nil
	}
	read, err := s.runs.Get(ctx, missing...)
	if err != nil {
		return nil, err
	}
	for r, wanted := range asked {
		known[r] = read[wanted]
		if key := r.kept(); key != nil {
			s.put(at.written, key, read[wanted], 100+100*len(read[wanted].entries))
		}
		if r.need == 0 && !read[wanted].whole {
			s.markLong(r.list)
		}
	}
	return known, nil
}

// serves tells whether a list holds what is asked of it.
func (l *list) serves(r run) bool { return l.whole || len(l.entries) >= max(r.need, 1) }

func (s *shelf) isLong(list uint64) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	_, long := s.long.Get(list)
	return long
}

func (s *shelf) markLong(list uint64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.long.Add(list, struct{}{})
}

// candidate is a row of a run.
type candidate struct {
	Run    uint64 `ch:"run"` // the list, or the place of the run
	Time   uint64 `ch:"time"`
	Target string `ch:"target"`
}

// add adds a candidate to a list.
func (s *shelf) add(l *list, c candidate) {
	space := strings.LastIndexByte(c.Target, ' ')
	if t := s.types[c.Target[space+1:]]; t != nil {
		l.entries = append(l.entries, entry{c.Time, t, c.Target[:max(space, 0)]})
	}
}

// readRuns reads lists that are short together, and of others each what is needed of it.
func (s *shelf) readRuns(ctx context.Context, runs []run) (map[run]*list, error) {
	found := make(map[run]*list, len(runs))
	var short, long []run
	for _, r := range runs {
		if r.need == 0 {
			short = append(short, r)
		} else {
			long = append(long, r)
		}
	}
	for some := range slices.Chunk(short, maxKeys) {
		if err := s.readShort(ctx, some, found); err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(long, maxUnion) {
		if err := s.readLong(ctx, some, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// maxUnion is how many runs one statement reads one by one.
const maxUnion = 50

// maxShort is how many candidates of short lists one statement reads.
const maxShort = 20_000

// readShort reads whole lists. Whether a list is too long for that nobody knows before: if
// they are too much together, the longest are left.
func (s *shelf) readShort(ctx context.Context, runs []run, found map[run]*list) error {
	byHash := map[uint64]run{}
	for _, r := range runs {
		byHash[r.list], found[r] = r, &list{whole: true}
	}
	hashes := slices.Sorted(maps.Keys(byHash))
	rows, err := s.readLists(ctx, hashes)
	if err != nil {
		return err
	}
	if len(rows) > maxShort {
		if rows, err = s.readShorter(ctx, hashes, byHash, found); err != nil {
			return err
		}
	}
	for _, c := range rows {
		s.add(found[byHash[c.Run]], c)
	}
	for _, r := range runs {
		l := found[r]
		slices.SortFunc(l.entries, func(a, b entry) int { return cmp.Or(cmp.Compare(b.time, a.time), strings.Compare(b.id, a.id)) })
		if len(l.entries) > maxWhole {
			l.entries, l.whole = l.entries[:maxWhole:maxWhole], false
		}
	}
	return nil
}

func (s *shelf) readLists(ctx context.Context, hashes []uint64) (rows []candidate, err error) {
	var st database.Statement
	st.Add("SELECT list AS run, time, target FROM ", s.prefix, "_links WHERE list IN ", st.Bind("Array(UInt64)", hashes), " LIMIT ", strconv.Itoa(maxShort+1))
	err = s.reader.Read(ctx, &rows, &st)
	return rows, err
}

// readShorter reads lists of which some are long: these end where they begin.
func (s *shelf) readShorter(ctx context.Context, hashes []uint64, byHash map[uint64]run, found map[run]*list) ([]candidate, error) {
	var st database.Statement
	st.Add("SELECT list AS run, count() AS time, '' AS target FROM ", s.prefix, "_links WHERE list IN ", st.Bind("Array(UInt64)", hashes), " GROUP BY list")
	var rows, counts []candidate
	if err := s.reader.Read(ctx, &counts, &st); err != nil {
		return nil, err
	}
	var some []uint64
	total := 0
	flush := func() error {
		if len(some) == 0 {
			return nil
		}
		more, err := s.readLists(ctx, some)
		rows, some, total = append(rows, more...), nil, 0
		return err
	}
	for _, c := range counts {
		if c.Time > maxWhole {
			found[byHash[c.Run]].whole = false
			continue
		}
		if total+int(c.Time) > maxShort {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		some, total = append(some, c.Run), total+int(c.Time)
	}
	return rows, flush()
}

func (s *shelf) readLong(ctx context.Context, runs []run, found map[run]*list) error {
	var st database.Statement
	for i, r := range runs {
		found[r] = &list{}
		if i > 0 {
			st.Add(" UNION ALL ")
		}
		st.Add("SELECT * FROM (SELECT toUInt64(", strconv.Itoa(i), ") AS run, ", s.selection(&st, r), ")")
	}
	var rows []candidate
	if err := s.reader.Read(ctx, &rows, &st); err != nil {
		return err
	}
	for _, c := range rows {
		s.add(found[runs[c.Run]], c)
	}
	for _, r := range runs {
		found[r].whole = len(found[r].entries) < r.need
	}
	return nil
}

// selection is the rest of a statement that reads a run.
func (s *shelf) selection(st *database.Statement, r run) string {
	direction := ""
	if r.down {
		direction = " DESC"
	}
	limit := " LIMIT " + strconv.Itoa(r.need)
	if r.list == 0 {
		least := s.name(entityKey{r.of, ""})
		most := strings.TrimSuffix(least, " ") + "!" // what comes after a blank
		switch {
		case r.bounded && r.down:
			most = s.name(entityKey{r.of, r.beyond})
		case r.bounded:
			least = s.name(entityKey{r.of, r.beyond})
		}
		return "toUInt64(0) AS time, concat(substring(key, " + strconv.Itoa(len(s.name(entityKey{r.of, ""}))+1) + "), ' " + r.of.Name + "') AS target FROM " + s.prefix +
			"_rows WHERE key > " + st.Bind("String", least) + " AND key < " + st.Bind("String", most) + " ORDER BY key" + direction + limit
	}
	condition := " WHERE list = " + st.Bind("UInt64", r.list)
	if r.bounded {
		condition += " AND time >= " + st.Bind("UInt64", r.low) + " AND time <= " + st.Bind("UInt64", r.high)
	}
	return "time, target FROM " + s.prefix + "_links" + condition + " ORDER BY time" + direction + ", target" + direction + limit
}
