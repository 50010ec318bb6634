package dataprotector

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestEntries(t *testing.T) {
	for schema, want := range map[string]string{
		`{"b":"bool","a":{"x":"f64","y":"image/png"}}`:      "a.x:f64 a.y:image/png b:bool",
		`{"a":"colour","b":7,"c":["string"],"d":null}`:      "",
		`{"a.b":"string","":"string","ä":"string"," ":"x"}`: "",
		`{"a-b_C9":"i128"}`: "a-b_C9:i128",
		`1`:                 "", `[]`: "", `"string"`: "", `{`: "", ``: "", "null": "",
	} {
		var got []string
		for _, e := range entriesOf(schema) {
			got = append(got, e.id())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s names %v, want %s", schema, got, want)
		}
	}
}

// FuzzEntries: whatever an owner writes, the fields are few and their paths plain.
func FuzzEntries(f *testing.F) {
	f.Add(`{"a":{"b":"string"}}`)
	f.Add(strings.Repeat(`{"a":`, 9000) + `"bool"` + strings.Repeat("}", 9000))
	many := map[string]string{}
	for i := range 2 * mostEntries {
		many["k"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+strings.Repeat("y", i/50)] = "bool"
	}
	long, err := json.Marshal(many)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(long))
	f.Fuzz(func(t *testing.T, schema string) {
		entries := entriesOf(schema)
		if len(entries) > mostEntries {
			t.Fatalf("%d entries", len(entries))
		}
		for _, e := range entries {
			if e.path == "" || !kinds[e.kind] || strings.ContainsAny(e.path, ": \n") || strings.HasPrefix(e.path, ".") {
				t.Fatalf("entry %q", e.id())
			}
		}
	})
}
