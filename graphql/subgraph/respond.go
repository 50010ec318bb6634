package subgraph

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"assay/graphql/internal/database"
)

var errInternal = errors.New("internal error: it is logged")

// tries is how often a response is made, should the chain be reorganized each time.
const tries = 8

// respond answers an operation with what belongs to one indexed head.
func (s *server) respond(ctx context.Context, p *prepared) *graphql.Response {
	if p == nil {
		return refusal(fault(nil, "The query is empty"))
	}
	if len(p.faults) > 0 {
		return refusal(p.faults...)
	}
	ctx, cancel := context.WithTimeout(s.reader.WithBudget(ctx), s.Limits.Timeout)
	defer cancel()
	if database.ReadingOf(ctx) == nil {
		ctx, _ = s.reader.Begin(ctx, 0)
	}
	reading := database.ReadingOf(ctx)
	for try := range tries {
		response, err := s.answer(ctx, p)
		stands, standing := reading.Stands(ctx)
		if standing == nil && !stands {
			pause(ctx, try)
			reading.Again()
			continue
		}
		if err == nil {
			err = standing
		}
		if err != nil || len(response.Errors) > 0 {
			reading.Fail()
		}
		if err != nil {
			return refusal(s.told(err))
		}
		return response
	}
	return refusal(fault(nil, "the chain was reorganized while executing the query"))
}

// pause gives a batch of rows time to be written whole.
func pause(ctx context.Context, try int) {
	if try == 0 {
		return // then blocks are looked at, which mostly is enough
	}
	select {
	case <-time.After(10 * time.Millisecond << try):
	case <-ctx.Done():
	}
}

func refusal(faults ...*gqlerror.Error) *graphql.Response {
	return &graphql.Response{Errors: faults}
}

// told is what a client is told of an error. Ours are logged.
func (s *server) told(err error) *gqlerror.Error {
	var refused *gqlerror.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errEmpty):
		return fault(nil, "subgraph %s has not started syncing yet", s.Deployment)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault(nil, "Query timed out")
	case database.TooExpensive(err), errors.Is(err, database.ErrStatements):
		return fault(nil, "query is too expensive")
	}
	s.Log.Error("answering a subgraph query", "deployment", s.Deployment, "error", err)
	return fault(nil, "%s", errInternal)
}

// answer reads and writes what the plan asks for.
func (s *server) answer(ctx context.Context, p *prepared) (*graphql.Response, error) {
	e := &execution{reader: s.reader, shelf: s.shelf, limits: s.Limits, chain: s.Chain, left: s.Limits.Entities}
	blocks := make([]at, len(p.roots))
	roots, byField := []*root{}, map[*selection]*root{}
	for i, field := range p.roots {
		if field.kind != ofEntity && field.kind != ofMeta {
			continue
		}
		var err error
		if blocks[i], err = s.locate(ctx, field.block); err != nil {
			return nil, err
		}
		if field.kind == ofEntity {
			byField[field] = &root{field: field, at: blocks[i].moment}
			roots = append(roots, byField[field])
		}
	}
	if err := e.read(ctx, roots); err != nil {
		return nil, err
	}
	a := &answer{most: s.Limits.Answer}
	w := &introspector{p.planner, a}
	a.text = append(a.text, '{')
	for i, field := range p.roots {
		a.key(i, field.key)
		if err := s.write(ctx, w, field, blocks[i], byField[field]); err != nil {
			return nil, err
		}
	}
	a.text = append(a.text, '}')
	a.over()
	if len(a.faults) > 0 {
		return refusal(a.faults...), nil
	}
	return &graphql.Response{Data: a.text}, nil
}

// write writes one root.
func (s *server) write(ctx context.Context, w *introspector, field *selection, where at, read *root) error {
	switch field.kind {
	case ofTypename:
		w.string("Query")
	case ofMeta:
		return s.meta(ctx, w, field, where)
	case ofSchema:
		w.part(field.within, field.other[0], s.describe(field))
	default:
		w.entities(field, read.nodes)
	}
	return nil
}

// describe is the part of the schema that __schema or __type asks for.
func (s *server) describe(field *selection) any {
	schema := introspection.WrapSchema(s.schema)
	if field.other[0].fields[0].Name == "__schema" {
		return schemaField(schema)
	}
	return typeField(introspection.WrapTypeFromDef(s.schema, s.schema.Types[fmt.Sprint(field.name["name"])]))
}
