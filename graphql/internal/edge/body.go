package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The codes of errors, as extensions.code.
const (
	Input = "BAD_USER_INPUT"
	Limit = "LIMIT_EXCEEDED"
)

// BodyTimeout is how long a request may take to arrive.
const BodyTimeout = 20 * time.Second

// TakeBody reads the request's body, of at most so many bytes, and checks that it is
// JSON. Otherwise it answers, and reports false.
func TakeBody(w http.ResponseWriter, r *http.Request, limit int) bool {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(BodyTimeout)) // where it can be set
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	_ = control.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		Refuse(w, http.StatusRequestEntityTooLarge, Limit, fmt.Sprintf("a request has at most %d bytes", limit))
	case err != nil:
		Refuse(w, http.StatusBadRequest, Input, "the request did not arrive whole")
	case !json.Valid(body) || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		Refuse(w, http.StatusBadRequest, Input, `a request is a JSON object such as {"query": "{ __typename }"}`)
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		return true
	}
	return false
}

// Refuse answers with an error, as GraphQL has it.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	type fault struct {
		Message    string            `json:"message"`
		Extensions map[string]string `json:"extensions"`
	}
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
		"errors": []fault{{message, map[string]string{"code": code}}},
		"data":   nil,
	})
}
