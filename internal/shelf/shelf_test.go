package shelf

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func open(t testing.TB, dir string) *Shelf {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t testing.TB, s *Shelf) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAShelfIsAMap compares with one: what was put is there, also before it is committed;
// what was not committed is gone after a restart.
func TestAShelfIsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s, now, kept := open(t, dir), map[string]string{}, map[string]string{}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			key := rapid.StringMatching(`[a-c][a-c]`).Draw(rt, "key")
			switch rapid.IntRange(0, 8).Draw(rt, "step") {
			case 0:
				s.Put([]byte(key), nil)
				delete(now, key)
			case 1:
				if err := s.Commit(); err != nil {
					rt.Fatal(err)
				}
				kept = copied(now)
			case 2:
				stop(t, s)
				s, now = open(t, dir), copied(kept)
			default:
				value := rapid.StringN(0, 9, -1).Draw(rt, "value")
				s.Put([]byte(key), []byte(value))
				now[key] = value
			}
			if got, want := dump(s), fmt.Sprint(now); got != want {
				rt.Fatalf("there is %s, want %s", got, want)
			}
			if got, has := s.Load([]byte(key)); string(got) != now[key] || has != contains(now, key) {
				rt.Fatalf("%s is %q", key, got)
			}
		}
		stop(t, s)
	})
}

func contains(m map[string]string, key string) bool {
	_, has := m[key]
	return has
}

func copied(m map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range m {
		out[key] = value
	}
	return out
}

func dump(s *Shelf) string {
	all := map[string]string{}
	for _, prefix := range []string{"a", "b", "c"} {
		for key, value := range s.All([]byte(prefix)) {
			all[string(key)] = string(value)
		}
	}
	return fmt.Sprint(all)
}

// TestOneProcessAtATime says whose fault it is.
func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer stop(t, s)
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("opened twice: %v", err)
	}
}

// TestWhatIsDamagedIsNotBelieved changes each file of a shelf: what is read then is what was
// put, or nothing and an error, or the shelf is empty from the start.
func TestWhatIsDamagedIsNotBelieved(t *testing.T) {
	original := t.TempDir()
	s := open(t, original)
	for i := range 2000 {
		s.Put(fmt.Appendf(nil, "a%d", i), fmt.Appendf(nil, "value of %d", i))
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	stop(t, open(t, original)) // from the log into a table
	files, err := os.ReadDir(original)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, file := range files {
		for _, cut := range []bool{false, true} {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
				t.Fatal(err)
			}
			damage(t, filepath.Join(dir, file.Name()), cut)
			if refuses(t, dir) {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("nothing that was damaged was noticed")
	}
}

func damage(t *testing.T, path string, cut bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if cut {
		data = data[:len(data)/2]
	} else if len(data) > 0 {
		data[len(data)/2] ^= 0x55
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func refuses(t *testing.T, dir string) bool {
	s := open(t, dir)
	defer s.Close()
	found := 0
	for i := range 2000 {
		value, has := s.Load(fmt.Appendf(nil, "a%d", i))
		if has && string(value) != fmt.Sprintf("value of %d", i) {
			t.Fatalf("%d is %q", i, value)
		}
		if has {
			found++
		}
	}
	if found > 0 && found < 2000 && s.Err() == nil {
		t.Fatalf("%d of 2000 values are gone without a word", 2000-found)
	}
	if err := s.Empty(); err != nil {
		t.Fatal(err)
	}
	if _, has := s.Load([]byte("a1")); has || s.Err() != nil {
		t.Fatalf("it is not empty: %v", s.Err())
	}
	return found < 2000
}
