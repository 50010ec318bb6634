package analytics

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
)

// maxCursor is the longest cursor that is read, in characters.
const maxCursor = 8192

// maxDigits is the most characters of an Int256.
const maxDigits = 78

// encodeCursor writes a place in a list, a uint64 or hexadecimal text for each column of
// its order. What it names keeps the cursor of one list from another.
func encodeCursor(name string, place []any) string {
	parts := []string{name}
	for _, part := range place {
		switch part := part.(type) {
		case uint64:
			parts = append(parts, strconv.FormatUint(part, 10))
		case string:
			parts = append(parts, part)
		}
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, " ")))
}

// decodeCursor reads what encodeCursor wrote, and nothing else. kinds are the ClickHouse
// types of the parts, in turn for as long as there are parts.
func decodeCursor(name, cursor string, kinds ...string) ([]any, error) {
	if len(cursor) > maxCursor {
		return nil, errCursor
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, errCursor
	}
	parts := strings.Split(string(text), " ")
	if parts[0] != name || (len(parts)-1)%len(kinds) != 0 {
		return nil, errCursor
	}
	place := make([]any, len(parts)-1)
	for i, part := range parts[1:] {
		if place[i], err = decodePart(kinds[i%len(kinds)], part); err != nil {
			return nil, errCursor
		}
	}
	if encodeCursor(name, place) != cursor {
		return nil, errCursor // another spelling of the same place
	}
	return place, nil
}

func decodePart(kind, part string) (any, error) {
	switch kind {
	case "UInt64":
		return strconv.ParseUint(part, 10, 64)
	case "Int256":
		if _, ok := new(big.Int).SetString(part, 10); !ok || len(part) > maxDigits {
			return nil, errCursor
		}
		return part, nil
	case "Text":
		return part, nil
	}
	digits, prefixed := strings.CutPrefix(part, "0x")
	if _, err := hex.DecodeString(digits); err != nil || !prefixed {
		return nil, errCursor
	}
	return part, nil
}
