// Package chdb binds the C interface of libchdb, the ClickHouse engine as a library.
//
// The library is loaded at run time by purego, so the program needs neither cgo nor the
// library to build. One process can hold one data directory; within it any number of
// connections run concurrently, each one statement at a time. The engine's own signal
// handlers stay off, because they break Go's.
//
// The prototypes are those of chdb.h of version 26.7.3.
package chdb

import (
	"unsafe"
)

// Opaque handles of the library. Null is nil.
type (
	connectionHandle = unsafe.Pointer // chdb_connection
	resultHandle     = unsafe.Pointer // chdb_result *
	insertHandle     = unsafe.Pointer // chdb_insert_stream
)

// Library is a loaded libchdb.
type Library struct {
	setSignalHandlers func(enabled int32)

	connect func(argc int32, argv unsafe.Pointer) *connectionHandle
	close   func(*connectionHandle)

	query           func(connectionHandle, unsafe.Pointer, uintptr, unsafe.Pointer, uintptr, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, uintptr) resultHandle
	streamQuery     func(connectionHandle, unsafe.Pointer, uintptr, unsafe.Pointer, uintptr, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, uintptr) resultHandle
	streamFetch     func(connectionHandle, resultHandle) resultHandle
	streamCancel    func(connectionHandle, resultHandle)
	classify        func(connectionHandle, unsafe.Pointer, uintptr, unsafe.Pointer, uintptr, unsafe.Pointer) int32
	resultBuffer    func(resultHandle) unsafe.Pointer
	resultLength    func(resultHandle) uintptr
	resultError     func(resultHandle) string
	destroyResult   func(resultHandle)
	insert          func(connectionHandle, unsafe.Pointer, uintptr, unsafe.Pointer, uintptr, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, uintptr) insertHandle
	insertAppend    func(insertHandle, unsafe.Pointer, uintptr) int32
	insertDone      func(insertHandle) resultHandle
	insertCancel    func(insertHandle)
	insertError     func(insertHandle) string
	destroyInserter func(insertHandle)
}

// Load opens the library in the file at path and turns its signal handlers off.
func Load(path string) (*Library, error) {
	library := new(Library)
	if err := bindAll(path, library.functions()); err != nil {
		return nil, err
	}
	library.setSignalHandlers(0)
	return library, nil
}

func (l *Library) functions() map[string]any {
	return map[string]any{
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.close,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.streamQuery,
		"chdb_stream_fetch_result":         &l.streamFetch,
		"chdb_stream_cancel_query":         &l.streamCancel,
		"chdb_classify_query_n":            &l.classify,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_destroy_query_result":        &l.destroyResult,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.destroyInserter,
	}
}
