package analytics

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"assay/graphql/internal/database"
)

// overheard is a database that notes what it is asked.
type overheard struct {
	database.Conn
	mutex      sync.Mutex
	statements []string
	bound      []string
}

func (o *overheard) Select(ctx context.Context, dest any, query string, args ...any) error {
	o.mutex.Lock()
	o.statements = append(o.statements, query)
	for _, arg := range args {
		o.bound = append(o.bound, fmt.Sprint(arg))
	}
	o.mutex.Unlock()
	return o.Conn.Select(ctx, dest, query, args...)
}

// canary is in every hostile value, and in nothing else.
const canary = "zqxzq"

var hostile = []string{canary + "' OR 1=1 --", canary + `\'; DROP TABLE deals; /*`, "`" + canary + "` {p0:String}", canary + "\x00\n?{rows}"}

// question is a field of the schema, on the way that leads to it.
type question struct {
	path  []string // what stands before the field, outermost first
	field *ast.FieldDefinition
}

// questions are all fields with arguments, each on one way.
func questions() (all []question) {
	seen := map[string]bool{}
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, field := range sdl().Types[name].Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			if len(field.Arguments) > 0 {
				all = append(all, question{path, field})
			}
			if kind := sdl().Types[field.Type.Name()]; kind.Kind == ast.Object {
				visit(kind.Name, append(slices.Clone(path), field.Name+ordinary(field, "")))
			}
		}
	}
	visit("Query", nil)
	return all
}

// ordinary gives a field the arguments that it must have, but for one.
func ordinary(field *ast.FieldDefinition, without string) string {
	var given []string
	for _, argument := range field.Arguments {
		if argument.Type.NonNull && argument.DefaultValue == nil && argument.Name != without {
			given = append(given, argument.Name+": "+ordinaryValue(argument.Type.Name()))
		}
	}
	if len(given) == 0 {
		return ""
	}
	return "(" + strings.Join(given, ", ") + ")"
}

func ordinaryValue(kind string) string {
	switch kind {
	case "Hash":
		return `"` + hash(1) + `"`
	case "Address":
		return `"` + address(5) + `"`
	case "Time":
		return `"2026-01-01T00:00:00Z"`
	case "Uint64", "BigInt":
		return "7"
	}
	values := sdl().Types[kind].EnumValues
	return values[len(values)-1].Name
}

// values of a type, with something hostile in one place each.
func hostileValues(kind *ast.Type, text string) []any {
	definition := sdl().Types[kind.Name()]
	var values []any
	switch {
	case kind.Name() == "Cursor":
		values = append(values, text)
		for _, list := range []struct {
			name  string
			kinds []string
		}{{leaders.name, leaders.kinds()}, {orderEvents.name, orderEvents.kinds()}, {permissions.name, permissions.kinds()}, {sales.name, sales.kinds()}} {
			var parts []any
			for _, kind := range list.kinds {
				part := map[string]any{"UInt64": uint64(1), "Int256": "-1", "String": "0x00", "Text": strings.ReplaceAll(text, " ", "_")}[kind]
				parts = append(parts, part)
			}
			values = append(values, encodeCursor(list.name, parts))
		}
	case definition.Kind == ast.InputObject:
		for _, field := range definition.Fields {
			for _, value := range hostileValues(field.Type, text) {
				object := map[string]any{field.Name: value}
				if kind.Name() == "AsOf" && field.Name != "chain" {
					object["chain"] = 7
				}
				values = append(values, object)
			}
		}
	default:
		values = append(values, text)
	}
	if kind.Elem != nil {
		values = []any{values}
	}
	return values
}

// ask sends the question with one hostile argument.
func (q question) ask(t testing.TB, server *httptest.Server, argument *ast.ArgumentDefinition, value any) {
	selection := ""
	if kind := sdl().Types[q.field.Type.Name()]; kind.Kind == ast.Object {
		selection = "{ __typename }"
		if kind.Fields.ForName("totalCount") != nil {
			selection = "{ totalCount nodes { __typename } }"
		}
	}
	given := strings.TrimSuffix(ordinary(q.field, argument.Name), ")")
	if given == "" {
		given = "("
	} else {
		given += ", "
	}
	document := "query($hostile: " + argument.Type.String() + ") { " + strings.Join(append(slices.Clone(q.path), q.field.Name), " { ") + given + argument.Name + ": $hostile) " +
		selection + strings.Repeat(" }", len(q.path)) + " }"
	if r := ask(t, server, document, map[string]any{"hostile": value}); len(r.Errors) > 0 && r.Errors[0].Extensions.Code == codeInternal {
		t.Errorf("%s with %q: %v", document, value, r.Errors)
	}
}

// Nothing that a client writes, in whatever argument of whatever field, becomes text of a
// statement: it is refused, or bound.
func TestClientsTextNeverIsSQL(t *testing.T) {
	conn := newDatabase(t)
	fill(t, conn, 16)
	fillSeries(t, conn, 16)
	db := &overheard{Conn: conn}
	server := newServer(t, db)
	asked := 0
	for _, q := range questions() {
		for _, argument := range q.field.Arguments {
			for i, value := range hostileValues(argument.Type, hostile[asked%len(hostile)]) {
				if argument.Name == "after" && i > 0 && len(q.path) > 0 {
					continue // cursors of lists that are none of this one's
				}
				q.ask(t, server, argument, value)
				asked++
			}
		}
	}
	db.mutex.Lock()
	defer db.mutex.Unlock()
	for _, statement := range db.statements {
		if strings.Contains(strings.ToLower(statement), canary) {
			t.Fatalf("a client's text is in a statement: %s", statement)
		}
	}
	bound := 0
	for _, value := range db.bound {
		if strings.Contains(value, canary) {
			bound++
		}
	}
	if asked < 300 || bound < 5 || len(db.statements) < asked {
		t.Errorf("%d questions made %d statements with %d hostile values: the test shows little", asked, len(db.statements), bound)
	}
}
