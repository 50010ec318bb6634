package database

import (
	"fmt"
	"runtime/debug"
)

// Guarded makes an error of a panic, with its stack, for the log. The server does so for
// what runs in a request's own goroutine; in any other one a panic would end the program.
func Guarded(do func() error) func() error {
	return func() (err error) {
		defer func() {
			if cause := recover(); cause != nil {
				err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
			}
		}()
		return do()
	}
}
