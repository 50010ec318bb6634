package entity

// Stamp is what every row carries beside its entity's fields.
type Stamp struct {
	Chain, Block, Version uint64
	Deleted               uint8
}

// Row is a pointer to a row of some table, as entitygen makes them.
type Row[R any] interface {
	*R
	Stamp(s Stamp)
	Identify(id string)
	Identity() string
}

// List is rows of an entity that never changes.
type List interface {
	// Stamp completes the rows and passes on their ids.
	Stamp(s Stamp, each func(id string))
	// Bury adds a tombstone.
	Bury(id string, s Stamp)
}

// ListOf makes a List of rows.
func ListOf[R any, P Row[R]](rows *[]R) List { return list[R, P]{rows} }

type list[R any, P Row[R]] struct{ rows *[]R }

func (l list[R, P]) Stamp(s Stamp, each func(id string)) {
	for i := range *l.rows {
		r := P(&(*l.rows)[i])
		r.Stamp(s)
		each(r.Identity())
	}
}

func (l list[R, P]) Bury(id string, s Stamp) {
	*l.rows = append(*l.rows, tombstone[R, P](id, s))
}

func tombstone[R any, P Row[R]](id string, s Stamp) R {
	var r R
	s.Deleted = 1
	P(&r).Identify(id)
	P(&r).Stamp(s)
	return r
}
