package devchain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/log"
)

// routeLogs sends the warnings and errors that geth writes to its global logger to l.
// The last chain started wins; geth has one such logger for the process.
func routeLogs(l *slog.Logger) { log.SetDefault(gethLogger(l)) }

// gethLogger wraps l as geth wants it. Being a type of ours keeps log.SetDefault from
// replacing the program's default logger as well.
func gethLogger(l *slog.Logger) log.Logger {
	return struct{ log.Logger }{log.NewLogger(handler{l.Handler()})}
}

// expected are warnings about what we want: a chain without peers, and one that is new.
var expected = map[string]bool{
	"P2P server will be useless, neither dialing nor listening": true,
	"Head block is not reachable":                               true,
}

// isAnswer says that a record is about a request that was answered with an error, which
// its sender is told anyway.
func isAnswer(record slog.Record) bool { return strings.HasPrefix(record.Message, "Served ") }

// handler passes records from warnings upwards.
type handler struct{ slog.Handler }

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, min(level, slog.LevelError))
}

func (h handler) Handle(ctx context.Context, record slog.Record) error {
	if expected[record.Message] || isAnswer(record) {
		return nil
	}
	if record.Level >= log.LevelCrit {
		if fatal := opening.Load(); fatal != nil {
			fatal.stop(record)
		}
		record.Level = slog.LevelError
	}
	return h.Handler.Handle(ctx, record)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

// fatal catches what geth deems fatal: it logs such a thing at the level crit and then
// exits the whole process. While a database is opened, where that is a matter of bad
// data, we make an error of it instead.
type fatal struct{ message chan string }

// opening is the catcher of the database that is being opened now, or nil.
var opening atomic.Pointer[fatal]

// stop ends the goroutine that logged the record, so that it does not go on to exit.
func (f *fatal) stop(record slog.Record) {
	message := record.Message
	record.Attrs(func(attr slog.Attr) bool {
		message += ", " + attr.String()
		return true
	})
	f.tell(message)
	runtime.Goexit()
}

// tell passes on the first message and drops those that follow from it.
func (f *fatal) tell(message string) {
	select {
	case f.message <- message:
	default:
	}
}

// orFatal returns what open returns. If geth met something fatal meanwhile, or
// panicked over bad data, that is the error.
func orFatal[T any](open func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	f := &fatal{message: make(chan string, 1)}
	opening.Store(f)
	defer opening.CompareAndSwap(f, nil)
	results := make(chan result, 1)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				f.tell(fmt.Sprint(reason))
			}
		}()
		value, err := open()
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case message := <-f.message:
		return *new(T), errors.New(message)
	}
}
