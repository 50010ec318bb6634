package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"pgregory.net/rapid"
)

func TestFailureBeforeOutput(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{errors.New("Code: 60. DB::Exception: No such table. (UNKNOWN_TABLE)"), http.StatusInternalServerError, "60"},
		{errors.New("connection lost"), http.StatusInternalServerError, ""},
		{badRequest{errors.New("what is this")}, http.StatusBadRequest, ""},
		{fmt.Errorf("parsing: %w", badRequest{errors.New("what")}), http.StatusBadRequest, ""},
	} {
		recorder := httptest.NewRecorder()
		newResponse(recorder).fail(c.err)
		if recorder.Code != c.status || recorder.Header().Get("X-ClickHouse-Exception-Code") != c.code || recorder.Body.String() != c.err.Error()+"\n" {
			t.Errorf("%v: %d %q %q", c.err, recorder.Code, recorder.Header(), recorder.Body)
		}
	}
}

func TestFailureAfterOutput(t *testing.T) {
	recorder := httptest.NewRecorder()
	response := newResponse(recorder)
	if err := response.write([]byte("output")); err != nil {
		t.Fatal(err)
	}
	message := "Code: 1. DB::Exception: " + strings.Repeat("x", 2*maxMessage)
	response.fail(errors.New(message))
	tag := recorder.Header().Get("X-ClickHouse-Exception-Tag")
	want := fmt.Sprintf("output\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", tag, message[:maxMessage], maxMessage+1, tag)
	if len(tag) != 16 || recorder.Body.String() != want {
		t.Errorf("tag %s, body %q", tag, recorder.Body)
	}
}

func TestCompressedOutput(t *testing.T) {
	recorder := httptest.NewRecorder()
	response := newResponse(recorder)
	response.compression = compress.LZ4
	want := strings.Repeat("output ", maxFrame/3) // more than two frames
	if err := response.write([]byte(want)); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	frames := newFrames(recorder.Body)
	for count := 0; ; count++ {
		piece := make([]byte, maxFrame)
		n, err := frames.Read(piece)
		got.Write(piece[:n])
		if err != nil || count > 10 {
			break
		}
	}
	if got.String() != want {
		t.Errorf("%d bytes, want %d", got.Len(), len(want))
	}
}

// No text can leave the quotes that it is put in.
func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mark := rapid.SampledFrom([]rune{'\'', '`'}).Draw(t, "mark")
		text := rapid.String().Draw(t, "text")
		quoted := quote(text, mark)
		if got := unquote(t, quoted, mark); got != text {
			t.Fatalf("%q reads as %q", quoted, got)
		}
	})
}

// unquote reads a literal as ClickHouse does.
func unquote(t *rapid.T, quoted string, mark rune) string {
	runes := []rune(quoted)
	if runes[0] != mark {
		t.Fatalf("%q does not start in a quote", quoted)
	}
	var text []rune
	for i := 1; i < len(runes); i++ {
		switch {
		case runes[i] == mark:
			if i != len(runes)-1 {
				t.Fatalf("%q ends early", quoted)
			}
			return string(text)
		case runes[i] == '\\':
			i++
			if runes[i] == '0' {
				runes[i] = 0
			}
		}
		text = append(text, runes[i])
	}
	t.Fatalf("%q does not end", quoted)
	return ""
}
