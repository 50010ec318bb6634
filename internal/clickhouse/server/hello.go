package server

import (
	"fmt"
	"strings"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"assay/internal/clickhouse/chdb"
)

// helloStatement is the first statement of every clickhouse-go connection over HTTP
// (queryHello in conn_http.go). It decodes the answer with its own revision, and everything
// after with the revision it is told.
const helloStatement = "SELECT displayName(), version(), revision(), timezone()"

// hello is what the engine says of itself.
type hello struct{ name, version, timezone string }

func askHello(connection *chdb.Connection) (hello, error) {
	output, err := connection.Query("SELECT displayName(), version(), timezone()", "TSVRaw", nil)
	if err != nil {
		return hello{}, fmt.Errorf("asking the engine for its version: %w", err)
	}
	fields := strings.Split(strings.TrimSpace(string(output)), "\t")
	if len(fields) != 3 {
		return hello{}, fmt.Errorf("the engine names itself in %d fields: %q", len(fields), output)
	}
	return hello{name: fields[0], version: fields[1], timezone: fields[2]}, nil
}

// write answers the hello statement to a client of the revision, with revision 0 as ours.
func (h hello) write(response *response, revision uint64) error {
	block := proto.NewBlock()
	for _, c := range []struct {
		name string
		kind column.Type
	}{
		{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"},
	} {
		if err := block.AddColumn(c.name, c.kind); err != nil {
			return err
		}
	}
	if err := block.Append(h.name, h.version, uint32(0), h.timezone); err != nil {
		return err
	}
	buffer := new(chproto.Buffer)
	if err := block.Encode(buffer, revision); err != nil {
		return err
	}
	if err := response.write(buffer.Buf); err != nil {
		return err
	}
	return response.end()
}
