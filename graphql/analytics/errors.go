package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
	"assay/graphql/internal/edge"
)

// refusal is an error that is the client's to see. Every other error is ours: the client
// learns only that there was one.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.message }

// The codes of errors, as extensions.code.
const (
	codeInput    = edge.Input
	codeLimit    = edge.Limit
	codeBusy     = "REORGANIZING"
	codeTooSlow  = "TOO_SLOW"
	codeShutdown = "SHUTTING_DOWN"
	codeInternal = "INTERNAL"
)

var (
	errCursor      = &refusal{codeInput, "this is not a cursor of this list: give one of its pageInfo, edges or events"}
	errExpensive   = &refusal{codeLimit, "the query needs too much time or memory: ask for less at once, or filter more"}
	errStatements  = &refusal{codeLimit, "the query needs too many reads of the database: split it"}
	errTimeout     = &refusal{codeLimit, "the query took too long: ask for less at once, or filter more"}
	errAnswer      = &refusal{codeLimit, "the answer is too large: ask for less at once"}
	errSubscribers = &refusal{codeLimit, "there are too many subscriptions: try again later"}
	errOperations  = &refusal{codeLimit, "this connection has too many operations under way: wait for some to end"}
	errBehind      = &refusal{codeTooSlow, "the reader was too slow and is cut off: subscribe again after the last cursor"}
	errReorganized = &refusal{codeBusy, "the chain was reorganized while the answer was made, again and again: try again"}
	errShutdown    = &refusal{codeShutdown, "the server is shutting down: subscribe again after the last cursor"}
	errInternal    = &refusal{codeInternal, "internal error: it is logged"}
)

func refuse(format string, args ...any) error {
	return &refusal{codeInput, fmt.Sprintf(format, args...)}
}

// clientError is what a client is told of an error, and whether it is one of ours.
func clientError(err error) (*refusal, bool) {
	var refused *refusal
	var input model.InputError
	switch {
	case errors.As(err, &refused):
		return refused, false
	case errors.As(err, &input):
		return &refusal{codeInput, input.Error()}, false
	case database.TooExpensive(err):
		return errExpensive, false
	case errors.Is(err, database.ErrStatements):
		return errStatements, false
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout, false
	case errors.Is(err, context.Canceled):
		return errTimeout, false // nobody listens any more
	}
	return errInternal, true
}

// presenter turns errors into answers. It logs those that are ours.
func presenter(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		var fault *gqlerror.Error
		if !errors.As(err, &fault) {
			fault = gqlerror.WrapPath(graphql.GetPath(ctx), err)
		}
		if fault.Unwrap() == nil {
			return fault // gqlgen's own, about the document
		}
		told, ours := clientError(fault.Unwrap())
		if ours {
			log.Error("answering a GraphQL query", "path", fault.Path.String(), "error", fault.Unwrap())
		}
		answer := &gqlerror.Error{Message: told.message, Path: fault.Path, Locations: fault.Locations}
		errcode.Set(answer, told.code)
		return answer
	}
}

// recoverer turns a panic of one field into an error of that field.
func recoverer(log *slog.Logger) graphql.RecoverFunc {
	return func(_ context.Context, cause any) error {
		log.Error("answering a GraphQL query: panic", "cause", cause, "stack", string(debug.Stack()))
		return errInternal
	}
}
