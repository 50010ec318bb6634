package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"

	"assay/indexer/projection"
)

// sums are those of the table series as they should be: of each key (dimension, key, hour in
// seconds) the columns' sums, in the order of sumColumns.
type sums map[[3]string][]*big.Int

// firstSum is the place of the first field of projection.Measure that is summed.
const firstSum = 9

// sumColumns are the columns of series that are sums, which are those of measures.
func sumColumns() []string {
	kind := reflect.TypeFor[projection.Measure]()
	var names []string
	for i := firstSum; i < kind.NumField(); i++ {
		names = append(names, kind.Field(i).Tag.Get("ch"))
	}
	return names
}

// add adds a measure to the sums of all its dimensions, as the view measures_to_series does.
func (s sums) add(m *projection.Measure) {
	hour := seconds(uint64(m.Time.Truncate(time.Hour).Unix()))
	for _, of := range [][2]string{{"ALL", ""}, {"WORKERPOOL", m.Workerpool}, {"WORKER", m.Worker}, {"APP", m.App},
		{"DATASET", m.Dataset}, {"REQUESTER", m.Requester}, {"CATEGORY", m.Category}, {"TAG", m.Tag}, {"TEE", framework(m.Tag)}} {
		if of[0] == "ALL" || of[1] != "" {
			s.addTo([3]string{of[0], of[1], hour}, m)
		}
	}
}

// framework is the one for trusted execution that a tag asks for, by its lowest four bits
// (iexec-commons TeeUtils).
func framework(tag string) string {
	if tag == "" {
		return ""
	}
	switch bits := tag[len(tag)-1]; {
	case strings.IndexByte("02468ace", bits) >= 0:
		return "NONE"
	case bits == '3':
		return "SCONE"
	case bits == '5':
		return "GRAMINE"
	case bits == '9':
		return "TDX"
	}
	return "OTHER"
}

func (s sums) addTo(key [3]string, m *projection.Measure) {
	measure := reflect.ValueOf(m).Elem()
	to := s[key]
	for i := firstSum; i < measure.NumField(); i++ {
		if i-firstSum == len(to) {
			to = append(to, new(big.Int))
		}
		switch value := measure.Field(i).Interface().(type) {
		case int64:
			to[i-firstSum].Add(to[i-firstSum], big.NewInt(value))
		case *big.Int:
			to[i-firstSum].Add(to[i-firstSum], value)
		}
	}
	s[key] = to
}

// compareSeries compares the sums. Their rows have no version, so while the index writes
// they are compared up to the hour of the newest final block, before which nothing moves.
func (a *auditor) compareSeries(ctx context.Context) error {
	if a.derived.failed {
		return nil
	}
	found, err := a.readSeries(ctx)
	if err != nil {
		return err
	}
	until, err := a.stableHours(ctx)
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(a.sums), func(x, y [3]string) int { return slices.Compare(x[:], y[:]) })
	for key := range found {
		if a.sums[key] == nil {
			keys = append(keys, key)
		}
	}
	c, columns := count(a.report.Compared.ClickHouse, "series"), sumColumns()
	slices.SortFunc(keys[len(a.sums):], func(x, y [3]string) int { return slices.Compare(x[:], y[:]) })
	for _, key := range keys {
		c.Of++
		if until != "" && (len(key[2]) > len(until) || len(key[2]) == len(until) && key[2] >= until) {
			c.Changed++
			continue
		}
		c.Compared++
		if a.compareSum(key, columns, found[key]) {
			c.Different++
		}
	}
	return nil
}

// compareSum compares the sums of a key. A key that is not there has sums of zero, for
// which the database keeps no row.
func (a *auditor) compareSum(key [3]string, columns, found []string) (different bool) {
	for i, column := range columns {
		expected, there := "0", "0"
		if sum := a.sums[key]; sum != nil {
			expected = sum[i].String()
		}
		if found != nil {
			there = found[i]
		}
		if expected != there {
			different = true
			a.report.add(Difference{In: inClickHouse, Kind: "series", ID: strings.Join(key[:], "/"), Field: column, Expected: expected, Found: there})
		}
	}
	return different
}

func (a *auditor) readSeries(ctx context.Context) (found map[[3]string][]string, err error) {
	var spelled []string
	for _, column := range sumColumns() {
		spelled = append(spelled, "toString(sum("+column+"))")
	}
	query := fmt.Sprintf("SELECT toString(dimension), key, toString(toUInt32(hour)), [%s] FROM series WHERE chain = ? GROUP BY dimension, key, hour", strings.Join(spelled, ", "))
	rows, err := a.cfg.DB.Query(ctx, query, a.cfg.Preset.ChainID)
	if err != nil {
		return nil, fmt.Errorf("reading series: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found = map[[3]string][]string{}
	for rows.Next() {
		var key [3]string
		var sums []string
		if err := rows.Scan(&key[0], &key[1], &key[2], &sums); err != nil {
			return nil, fmt.Errorf("reading a row of series: %w", err)
		}
		found[key] = sums
	}
	return found, rows.Err()
}

// stableHours is the hour, in seconds, from which on the sums may hold more than was folded;
// "" if they cannot, because no later batch was begun before they were read.
func (a *auditor) stableHours(ctx context.Context) (string, error) {
	var last uint64
	err := a.cfg.DB.QueryRow(ctx, "SELECT max(last) FROM plans WHERE chain = ? AND topic = ? AND partition = 0", a.cfg.Preset.ChainID, a.cfg.Topics.Log).Scan(&last)
	if err != nil {
		return "", fmt.Errorf("asking ClickHouse what is being written: %w", err)
	}
	if last < uint64(a.next) {
		return "", nil
	}
	return number(a.finalTime - a.finalTime%3600), nil
}
