package subgraph

// stamp is what every row carries beside its entity's fields.
type stamp struct {
	chain, block, version uint64
	deleted               uint8
}

// row is a pointer to a row of some table.
type row[R any] interface {
	*R
	stamp(s stamp)
	identify(id string)
	identity() string
}

// list is rows of an immutable entity.
type list interface {
	// stamp completes the rows and passes on their ids.
	stamp(s stamp, each func(id string))
	// bury adds a tombstone.
	bury(id string, s stamp)
}

type rowsOf[R any, P row[R]] struct{ rows *[]R }

func (l rowsOf[R, P]) stamp(s stamp, each func(id string)) {
	for i := range *l.rows {
		r := P(&(*l.rows)[i])
		r.stamp(s)
		each(r.identity())
	}
}

func (l rowsOf[R, P]) bury(id string, s stamp) {
	*l.rows = append(*l.rows, tombstone[R, P](id, s))
}

func tombstone[R any, P row[R]](id string, s stamp) R {
	var r R
	s.deleted = 1
	P(&r).identify(id)
	P(&r).stamp(s)
	return r
}
