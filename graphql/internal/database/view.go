package database

import (
	"fmt"
	"strings"
)

// View is the block at which each chain is read.
type View struct {
	chains []uint64
	blocks []uint64
	times  []int64 // of the blocks, seconds since 1970; of the past none
	past   bool    // not the newest blocks
	quiet  bool    // nothing is written beyond the blocks
}

// view is that of all chains at their heads.
func (i *Indexed) view() View {
	var v View
	for _, head := range i.Heads {
		v.chains, v.blocks, v.times = append(v.chains, head.Chain), append(v.blocks, head.Number), append(v.times, head.Time.Unix())
	}
	return v
}

// At is the view of one chain as it was at a block.
func At(chain, block uint64) View {
	return View{chains: []uint64{chain}, blocks: []uint64{block}, past: true}
}

// Only leaves out all chains but some.
func (v View) Only(chains ...uint64) View {
	only := View{past: v.past, quiet: v.quiet}
	for i, chain := range v.chains {
		for _, wanted := range chains {
			if chain == wanted {
				only.chains, only.blocks = append(only.chains, chain), append(only.blocks, v.blocks[i])
				if !v.past {
					only.times = append(only.times, v.times[i])
				}
				break
			}
		}
	}
	return only
}

// Name tells the view from others.
func (v View) Name() string { return fmt.Sprint(v.chains, v.blocks, v.past) }

// Table is a table and what becomes of its rows.
type Table struct {
	Name string
	// Key is what identifies a thing beside chain, for tables of things that change: they
	// keep the newest state of each, and name_history has one row for each block in which
	// it changed. Without a key rows never change once they are written.
	Key []string
	// Time is the column with the chain's time, of rows that belong to no block.
	Time string
}

// blockColumn is the block in which a row was made, or its thing last changed.
const blockColumn = "block_number"

// Rows is what to read a table's rows of the view from, to stand after FROM.
func (v View) Rows(s *Statement, t Table) string {
	switch {
	case v.quiet:
		return t.Name + " FINAL"
	case t.Time != "":
		return v.timed(s, t)
	}
	rows := "SELECT * FROM " + t.Name + " FINAL WHERE " + v.holds(s, "<=")
	if len(t.Key) > 0 {
		key := "chain, " + strings.Join(t.Key, ", ")
		rows += " UNION ALL SELECT * FROM " + t.Name + "_history FINAL WHERE " + v.holds(s, "<=") +
			" AND (" + key + ") IN (SELECT " + key + " FROM " + t.Name + " FINAL WHERE " + v.holds(s, ">") + ")" +
			" ORDER BY " + key + ", " + blockColumn + " DESC LIMIT 1 BY " + key
	}
	return "(" + rows + ")"
}

// timed is what there is of rows that belong to no block: all of them now, and of the
// past those up to the time of the newest block of the view.
func (v View) timed(s *Statement, t Table) string {
	rows := "SELECT * FROM " + t.Name + " FINAL"
	switch {
	case v.past && len(v.chains) == 0:
		rows += " WHERE 0"
	case v.past:
		rows += " WHERE chain = " + s.Bind("UInt64", v.chains[0]) + " AND " + t.Time + " <= (SELECT max(time) FROM blocks FINAL WHERE chain = " +
			s.Bind("UInt64", v.chains[0]) + " AND number <= " + s.Bind("UInt64", v.blocks[0]) + ")"
	}
	return "(" + rows + ")"
}

// Clock is the time of the view, in seconds since 1970, of the chain that a column names. In
// the past it is that of the newest block with events.
func (v View) Clock(s *Statement, chain string) string {
	switch {
	case len(v.chains) == 0:
		return "0"
	case v.past:
		return "(SELECT toInt64(toUnixTimestamp(max(time))) FROM blocks FINAL WHERE chain = " + s.Bind("UInt64", v.chains[0]) +
			" AND number <= " + s.Bind("UInt64", v.blocks[0]) + ")"
	}
	return "transform(" + chain + ", " + s.Bind("Array(UInt64)", v.chains) + ", " + s.Bind("Array(Int64)", v.times) + ", toInt64(0))"
}

// holds compares each row's block with the view's of its chain.
func (v View) holds(s *Statement, comparison string) string {
	if len(v.chains) == 0 {
		return "0"
	}
	parts := make([]string, len(v.chains))
	for i := range v.chains {
		parts[i] = "chain = " + s.Bind("UInt64", v.chains[i]) + " AND " + blockColumn + " " + comparison + " " + s.Bind("UInt64", v.blocks[i])
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}
