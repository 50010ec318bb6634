package analytics

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var cursorKinds = []string{"UInt64", "UInt64", "String"}

// A cursor gives back the place it was made of.
func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := []any{rapid.Uint64().Draw(t, "time"), rapid.Uint64().Draw(t, "chain"), hash(rapid.Int().Filter(func(n int) bool { return n >= 0 }).Draw(t, "id"))}
		got, err := decodeCursor("deal", encodeCursor("deal", place), cursorKinds...)
		if err != nil || !slices.Equal(got, place) {
			t.Fatalf("got %v, %v, want %v", got, err, place)
		}
	})
}

// Whatever is decoded is written the same way again: a place has one cursor. Anything
// else is refused.
func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor("deal", []any{uint64(1), uint64(2), hash(3)}))
	f.Add(encodeCursor("task", []any{uint64(1), uint64(2), hash(3)}))
	f.Add(encodeCursor("deal", []any{uint64(1)}))
	f.Add(encodeCursor("deal", []any{uint64(1), uint64(2), "0xAB"}))
	f.Add("ZGVhbCAwMSAyIDB4")
	f.Add("====")
	f.Fuzz(func(t *testing.T, cursor string) {
		place, err := decodeCursor("deal", cursor, cursorKinds...)
		if err != nil {
			if !errors.Is(err, errCursor) {
				t.Fatalf("%q: %v", cursor, err)
			}
			return
		}
		if encodeCursor("deal", place) != cursor || len(place)%3 != 0 {
			t.Fatalf("%q is read as %v", cursor, place)
		}
	})
}
