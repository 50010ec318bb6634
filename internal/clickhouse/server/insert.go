package server

import (
	"errors"
	"fmt"
	"io"

	"assay/internal/clickhouse/chdb"
)

// insertPiece is how much of the rows is handed to the engine at a time, in bytes.
const insertPiece = 64 << 10

// insert feeds the rows to the engine and waits until they are stored. Rows that end early,
// because the client failed or went away, are not stored.
func insert(session *chdb.Connection, request *request) error {
	inserting, err := session.Insert(request.statement, request.format, request.parameters)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(inserting, struct{ io.Reader }{request.rows}, make([]byte, insertPiece))
	if err != nil && !errors.Is(err, chdb.ErrInsertFailed) {
		inserting.Cancel()
		return fmt.Errorf("reading the rows: %w", err)
	}
	return inserting.Done() // with the engine's reason if it failed
}
