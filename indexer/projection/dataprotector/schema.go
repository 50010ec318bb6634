package dataprotector

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// entry is a field that a schema names.
type entry struct{ path, kind string }

func (e entry) id() string { return e.path + ":" + e.kind }

// kinds are the types that a field may have: those of the SDK's two versions, and the MIME
// types that it knows. Fields of any other are passed over, as the official subgraph does.
var kinds = map[string]bool{
	"boolean": true, "number": true, "string": true, "bool": true, "i128": true, "f64": true,
	"application/octet-stream": true, "application/pdf": true, "application/xml": true, "application/zip": true,
	"audio/midi": true, "audio/mpeg": true, "audio/x-wav": true,
	"image/bmp": true, "image/gif": true, "image/jpeg": true, "image/png": true, "image/webp": true,
	"video/mp4": true, "video/mpeg": true, "video/x-msvideo": true,
}

// Bounds of what one schema makes: its owner pays for the text alone, each field has a row
// of its own, and each level is read once more.
const (
	mostEntries = 1000
	longestPath = 256 // bytes; fields below a longer one are passed over
	mostLevels  = 32
)

// entriesOf lists the fields of a schema, an object of types and further objects, by path.
// What is no such object names none: the official subgraph would stop there.
func entriesOf(schema string) []entry {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(schema), &object) != nil {
		return nil
	}
	return appendEntries(nil, "", object, mostLevels)
}

func appendEntries(out []entry, parent string, object map[string]json.RawMessage, levels int) []entry {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if len(out) == mostEntries {
			return out
		}
		if key == "" || len(parent)+len(key) > longestPath || strings.ContainsFunc(key, strange) {
			continue
		}
		var inner map[string]json.RawMessage
		var kind string
		switch value := object[key]; {
		case json.Unmarshal(value, &kind) == nil:
			if kinds[kind] {
				out = append(out, entry{parent + key, kind})
			}
		case levels > 1 && json.Unmarshal(value, &inner) == nil:
			out = appendEntries(out, parent+key+".", inner, levels-1)
		}
	}
	return out
}

// strange is what keys may not contain: a dot would make a path ambiguous.
func strange(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
}
