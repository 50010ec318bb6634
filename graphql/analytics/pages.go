package analytics

import (
	"context"
	"strings"
	"time"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// secondsTaken is how long completed tasks took, in order: percentiles by the nearest rank.
const secondsTaken = "arraySort(groupArray(toUInt64(ended - started))) AS taken, toUInt64(length(taken)) AS tasks, arraySum(taken) AS total, taken[1] AS min, " +
	"taken[intDiv(tasks * 50 + 99, 100)] AS p50, taken[intDiv(tasks * 90 + 99, 100)] AS p90, taken[intDiv(tasks * 95 + 99, 100)] AS p95, " +
	"taken[intDiv(tasks * 99 + 99, 100)] AS p99, taken[tasks] AS max"

// tookFrom appends the completed tasks that match, with the beginning of their deals.
func tookFrom(s *database.Statement, v database.View, where []database.Condition) {
	s.Add(" FROM (SELECT t.chain AS chain, t.pool AS pool, toUInt64(toUnixTimestamp(t.ended_at)) AS ended, toUInt64(toUnixTimestamp(d.start_time)) AS started FROM ",
		"(SELECT chain, deal, workerpool AS pool, ended_at FROM ", v.Rows(s, taskTable), " WHERE status = 'COMPLETED'")
	s.Where(v, where)
	s.Add(") AS t INNER JOIN (SELECT chain, id, start_time FROM ", v.Rows(s, dealTable), ") AS d ON t.chain = d.chain AND t.deal = d.id)")
}

const latencyColumns = "tasks, total, min, p50, p90, p95, p99, max"

func (q query) Latency(ctx context.Context, filter *model.TaskFilter, _ *model.AsOf) (*model.Latency, error) {
	where := taskConditions(filter)
	v, err := viewOf(ctx, q.reader, where)
	if err != nil {
		return nil, err
	}
	var s database.Statement
	s.Add("SELECT ", latencyColumns, " FROM (SELECT ", secondsTaken)
	tookFrom(&s, v, where)
	s.Add(") WHERE tasks > 0")
	rows, err := database.Rows[model.Latency](ctx, q.reader, &s)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

func (f workerpoolFields) Latency(ctx context.Context, w *model.Workerpool, since, until *time.Time) (*model.Latency, error) {
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return nil, err
	}
	name := strings.Join([]string{"latency", printed(since), printed(until), v.Name()}, " ")
	return load(ctx, name, keyOfWorkerpool(w), func(ctx context.Context, keys []model.Key) (map[model.Key]*model.Latency, error) {
		var where conditions
		where.during("initialized_at", since, until)
		var s database.Statement
		s.Add("SELECT chain, pool, ", latencyColumns, " FROM (SELECT chain, pool, ", secondsTaken)
		tookFrom(&s, v.Only(chainsOf(keys)...), where)
		s.Add(" WHERE (chain, pool) IN ", pairs(&s, keys), " GROUP BY chain, pool)")
		rows, err := database.Rows[struct {
			Chain uint64 `ch:"chain"`
			Pool  string `ch:"pool"`
			model.Latency
		}](ctx, f.reader, &s)
		found := make(map[model.Key]*model.Latency, len(rows))
		for _, row := range rows {
			found[model.Key{Chain: row.Chain, ID: row.Pool}] = &row.Latency
		}
		return found, err
	})
}

func (f workerpoolFields) Utilisation(ctx context.Context, w *model.Workerpool, since, until time.Time) (*model.Utilisation, error) {
	from, to, err := span(since, until)
	if err != nil {
		return nil, err
	}
	v, err := viewOf(ctx, f.reader, nil)
	if err != nil {
		return nil, err
	}
	name := strings.Join([]string{"utilisation", printed(&since), printed(&until), v.Name()}, " ")
	u, err := load(ctx, name, keyOfWorkerpool(w), func(ctx context.Context, keys []model.Key) (map[model.Key]*model.Utilisation, error) {
		var s database.Statement
		s.Add("SELECT chain, workerpool, ", utilisationColumns, " FROM ", busySpans(&s, v.Only(chainsOf(keys)...), nil, from, to), " AS u WHERE (chain, workerpool) IN ", pairs(&s, keys), " GROUP BY chain, workerpool")
		return utilisations(ctx, f.reader, &s, uint64(to-from))
	})
	if err == nil && u == nil {
		u = &model.Utilisation{TaskSeconds: "0", Seconds: uint64(to - from)}
	}
	return u, err
}

func (q query) Utilisation(ctx context.Context, filter *model.TaskFilter, since, until time.Time, _ *model.AsOf) (*model.Utilisation, error) {
	from, to, err := span(since, until)
	if err != nil {
		return nil, err
	}
	where := taskConditions(filter)
	v, err := viewOf(ctx, q.reader, where)
	if err != nil {
		return nil, err
	}
	var s database.Statement
	s.Add("SELECT toUInt64(0) AS chain, '' AS workerpool, ", utilisationColumns, " FROM ", busySpans(&s, v, where, from, to), " AS u")
	found, err := utilisations(ctx, q.reader, &s, uint64(to-from))
	return found[model.Key{}], err
}

// span is a time, in seconds since 1970.
func span(since, until time.Time) (from, to int64, err error) {
	from, to = seconds(since), seconds(until)
	if from >= to {
		return 0, 0, refuse("since must be before until")
	}
	return from, to, nil
}

const utilisationColumns = "toString(sum(busy)) AS busy, uniqExactIf(worker, worker != '') AS workers"

// busySpans are the tasks that match with how long each kept its pool busy between two times,
// and the workers that contributed to them meanwhile.
func busySpans(s *database.Statement, v database.View, where []database.Condition, from, to int64) string {
	begin, end := s.Bind("Int64", from), s.Bind("Int64", to)
	overlap := "greatest(0, least(if(ended_at = toDateTime(0, 'UTC'), " + end + ", toInt64(toUnixTimestamp(ended_at))), " + end + ") - greatest(toInt64(toUnixTimestamp(initialized_at)), " + begin + "))"
	contributed := "toInt64(toUnixTimestamp(contributed_at))"
	var tasks database.Statement
	tasks.Args = s.Args
	tasks.Add("SELECT chain, workerpool, toInt256(", overlap, ") AS busy, '' AS worker FROM ", v.Rows(&tasks, taskTable), " WHERE 1")
	tasks.Where(v, where)
	tasks.Add(" UNION ALL SELECT chain, workerpool, toInt256(0) AS busy, worker FROM ", v.Rows(&tasks, contributionTable), " WHERE ", contributed, " >= ", begin, " AND ", contributed, " < ", end)
	if len(where) > 0 {
		tasks.Add(" AND (chain, task) IN (SELECT chain, id FROM ", v.Rows(&tasks, taskTable), " WHERE 1")
		tasks.Where(v, where)
		tasks.Add(")")
	}
	s.Args = tasks.Args
	return "(" + tasks.String() + ")"
}

// utilisations reads how busy pools were.
func utilisations(ctx context.Context, r *reader, s *database.Statement, seconds uint64) (map[model.Key]*model.Utilisation, error) {
	rows, err := database.Rows[struct {
		Chain   uint64 `ch:"chain"`
		Pool    string `ch:"workerpool"`
		Busy    string `ch:"busy"`
		Workers uint64 `ch:"workers"`
	}](ctx, r, s)
	found := make(map[model.Key]*model.Utilisation, len(rows))
	for _, row := range rows {
		found[model.Key{Chain: row.Chain, ID: row.Pool}] = &model.Utilisation{TaskSeconds: row.Busy, Seconds: seconds, Workers: row.Workers}
	}
	return found, err
}
