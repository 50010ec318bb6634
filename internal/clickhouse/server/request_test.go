package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"pgregory.net/rapid"
)

func post(query url.Values, body io.Reader) *http.Request {
	return httptest.NewRequest(http.MethodPost, "/?"+query.Encode(), body)
}

func TestStatementInTheBody(t *testing.T) {
	got, err := parse(post(url.Values{
		"database": {"d"}, "default_format": {"JSON"}, "client_protocol_version": {"54460"}, "compress": {"1"},
		"param_id": {"0x1"}, "max_threads": {"2"},
	}, strings.NewReader("SELECT {id:String}")))
	if err != nil {
		t.Fatal(err)
	}
	want := &request{
		statement: "SELECT {id:String}", format: "JSON", database: "d", revision: 54460, compression: compress.LZ4,
		settings: map[string]string{"max_threads": "2"}, parameters: map[string]string{"id": "0x1"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestRowsInTheBody(t *testing.T) {
	for text, want := range map[string]request{
		"INSERT INTO t FORMAT Native":                              {statement: "INSERT INTO t", format: "Native"},
		"insert into `format` (a)\nformat  JSONEachRow ;":          {statement: "insert into `format` (a)", format: "JSONEachRow"},
		"INSERT INTO t (a) SETTINGS async_insert=0 FORMAT Native ": {statement: "INSERT INTO t (a) SETTINGS async_insert=0", format: "Native"},
	} {
		got, err := parse(post(url.Values{"query": {text}}, strings.NewReader("rows")))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := io.ReadAll(got.rows)
		if got.statement != want.statement || got.format != want.format || string(rows) != "rows" || err != nil {
			t.Errorf("%s: got %q, %q, %q, %v", text, got.statement, got.format, rows, err)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	multipart := post(nil, nil)
	multipart.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	encoded := post(nil, nil)
	encoded.Header.Set("Content-Encoding", "gzip")
	for name, r := range map[string]*http.Request{
		"method":              httptest.NewRequest(http.MethodGet, "/?query=SELECT+1", nil),
		"external tables":     multipart,
		"HTTP compression":    encoded,
		"name of a setting":   post(url.Values{"a = 1, b": {"2"}}, nil),
		"revision":            post(url.Values{"client_protocol_version": {"-1"}}, nil),
		"rows without INSERT": post(url.Values{"query": {"SELECT 1 FORMAT Native"}}, strings.NewReader("rows")),
		"endless statement":   post(nil, endless{}),
	} {
		if _, err := parse(r); !isBad(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := post(nil, nil)
	bad.URL.RawQuery = "%zz"
	if _, err := parse(bad); !isBad(err) {
		t.Error(err)
	}
}

func isBad(err error) bool {
	_, bad := errors.AsType[badRequest](err)
	return bad
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Whatever is compressed, in frames of any size, comes out again, however it is read.
func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		method := rapid.SampledFrom([]compress.Method{compress.LZ4, compress.ZSTD, compress.None}).Draw(t, "method")
		var want, compressed []byte
		for _, piece := range rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 1, 1000)).Draw(t, "pieces") {
			want, compressed = append(want, piece...), append(compressed, frame(t, method, piece)...)
		}
		size := rapid.IntRange(1, 300).Draw(t, "read")
		var got bytes.Buffer
		if _, err := io.CopyBuffer(&got, struct{ io.Reader }{newFrames(bytes.NewReader(compressed))}, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("got %x, want %x", got.Bytes(), want)
		}
	})
}

func frame(t interface{ Fatal(...any) }, method compress.Method, data []byte) []byte {
	writer := compress.NewWriter(compress.LevelZero, method)
	if err := writer.Compress(data); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(writer.Data)
}

// An input that ends within a frame must not read as a complete one.
func TestTruncatedFrames(t *testing.T) {
	whole := append(frame(t, compress.LZ4, bytes.Repeat([]byte("first"), 100)), frame(t, compress.LZ4, []byte("second"))...)
	boundary := len(whole) - len(frame(t, compress.LZ4, []byte("second")))
	for length := range whole {
		_, err := io.ReadAll(newFrames(bytes.NewReader(whole[:length])))
		if clean := length == 0 || length == boundary; clean != (err == nil) {
			t.Errorf("cut at %d of %d: %v", length, len(whole), err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(frame(f, compress.LZ4, []byte("rows")))
	f.Add(frame(f, compress.ZSTD, []byte("rows")))
	f.Add(append(frame(f, compress.None, []byte("rows")), 0))
	f.Fuzz(func(t *testing.T, input []byte) {
		_, _ = io.Copy(io.Discard, io.LimitReader(newFrames(bytes.NewReader(input)), 1<<20)) // must end, without a panic
	})
}

func FuzzParse(f *testing.F) {
	f.Add("query=INSERT+INTO+t+FORMAT+Native&decompress=1&param_a=b&max_threads=1", "rows")
	f.Add("default_format=Native&client_protocol_version=54460&compress=1", "SELECT 1")
	f.Fuzz(func(t *testing.T, query, body string) {
		r := post(nil, strings.NewReader(body))
		r.URL.RawQuery = query
		request, err := parse(r)
		if err != nil {
			return
		}
		for name := range request.settings {
			if !settingName.MatchString(name) {
				t.Fatalf("the setting %q gets into a statement", name)
			}
		}
	})
}
