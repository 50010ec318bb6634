package source

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// cursor reads JSON in one pass. Answers with logs are megabytes of short hex strings,
// for which encoding/json takes several times as long as all else that indexing does.
type cursor struct {
	data []byte
	at   int
}

var errJSON = errors.New("not the JSON that was asked for")

// next skips white space and returns the byte after it, 0 at the end.
func (c *cursor) next() byte {
	for c.at < len(c.data) {
		switch b := c.data[c.at]; b {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return b
		}
	}
	return 0
}

func (c *cursor) take(b byte) bool {
	if c.next() != b {
		return false
	}
	c.at++
	return true
}

// null consumes a null, if there is one.
func (c *cursor) null() bool {
	if c.next() == 'n' && bytes.HasPrefix(c.data[c.at:], []byte("null")) {
		c.at += 4
		return true
	}
	return false
}

// text returns what is between the quotes of a string without escapes.
func (c *cursor) text() ([]byte, error) {
	if !c.take('"') {
		return nil, errJSON
	}
	end := bytes.IndexByte(c.data[c.at:], '"')
	if end < 0 {
		return nil, errJSON
	}
	text := c.data[c.at : c.at+end]
	c.at += end + 1
	if bytes.IndexByte(text, '\\') >= 0 {
		return nil, errJSON
	}
	return text, nil
}

// fields calls visit for each field of an object; visit consumes the value.
func (c *cursor) fields(visit func(key []byte) error) error {
	if !c.take('{') {
		return errJSON
	}
	if c.take('}') {
		return nil
	}
	for {
		key, err := c.text()
		if err != nil || !c.take(':') {
			return errJSON
		}
		if err := visit(key); err != nil {
			return err
		}
		if c.take('}') {
			return nil
		}
		if !c.take(',') {
			return errJSON
		}
	}
}

// elements calls visit for each element of an array; visit consumes it.
func (c *cursor) elements(visit func() error) error {
	if !c.take('[') {
		return errJSON
	}
	if c.take(']') {
		return nil
	}
	for {
		if err := visit(); err != nil {
			return err
		}
		if c.take(']') {
			return nil
		}
		if !c.take(',') {
			return errJSON
		}
	}
}

// skip consumes a value and returns it.
func (c *cursor) skip() (json.RawMessage, error) {
	c.next()
	start := c.at
	for depth := 0; c.at < len(c.data); {
		switch c.data[c.at] {
		case '"':
			if !c.skipText() {
				return nil, errJSON
			}
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			if depth == 0 {
				return c.scalar(start)
			}
			depth--
			c.at++
		case ',':
			if depth == 0 {
				return c.scalar(start)
			}
			c.at++
			continue
		default:
			c.at++
			continue
		}
		if depth == 0 {
			return c.data[start:c.at], nil
		}
	}
	return c.scalar(start)
}

func (c *cursor) scalar(start int) (json.RawMessage, error) {
	if c.at == start {
		return nil, errJSON
	}
	return bytes.TrimSpace(c.data[start:c.at]), nil
}

func (c *cursor) skipText() bool {
	for c.at++; ; {
		end := bytes.IndexByte(c.data[c.at:], '"')
		if end < 0 {
			return false
		}
		escaped := 0
		for i := c.at + end - 1; i >= c.at && c.data[i] == '\\'; i-- {
			escaped++
		}
		c.at += end + 1
		if escaped%2 == 0 {
			return true
		}
	}
}

// fixed reads hex of exactly the length of out.
func (c *cursor) fixed(out []byte) error {
	text, err := c.text()
	if err != nil || len(text) != 2+2*len(out) || text[0] != '0' || text[1] != 'x' {
		return errJSON
	}
	_, err = hex.Decode(out, text[2:])
	return err
}

// bytes reads hex of any length.
func (c *cursor) bytes() ([]byte, error) {
	text, err := c.text()
	if err != nil || len(text) < 2 || text[0] != '0' || text[1] != 'x' {
		return nil, errJSON
	}
	out := make([]byte, (len(text)-2)/2)
	_, err = hex.Decode(out, text[2:])
	return out, err
}

// number reads a quantity: hex, in quotes.
func (c *cursor) number(out *uint64) error {
	text, err := c.text()
	if err != nil || len(text) < 3 || len(text) > 18 || text[0] != '0' || text[1] != 'x' {
		return errJSON
	}
	var n uint64
	for _, b := range text[2:] {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), b|0x20)
		if digit < 0 {
			return errJSON
		}
		n = n<<4 | uint64(digit)
	}
	*out = n
	return nil
}

// amount reads a quantity of up to 256 bits, or null.
func (c *cursor) amount() ([]byte, error) {
	if c.null() {
		return nil, nil
	}
	text, err := c.text()
	if err != nil {
		return nil, err
	}
	n, err := hexutil.DecodeBig(string(text))
	if err != nil {
		return nil, errJSON
	}
	return n.Bytes(), nil
}

func (c *cursor) ignore() error {
	_, err := c.skip()
	return err
}

// logBytes is about how long a log is in JSON.
const logBytes = 600

// readLogs reads what eth_getLogs answers.
func readLogs(raw []byte) ([]types.Log, error) {
	c := &cursor{data: raw}
	if c.null() {
		return nil, nil
	}
	logs := make([]types.Log, 0, len(raw)/logBytes)
	err := c.elements(func() error {
		var log types.Log
		if err := c.log(&log); err != nil {
			return err
		}
		logs = append(logs, log)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading logs: %w", err)
	}
	return logs, nil
}

func (c *cursor) log(log *types.Log) error {
	seen := 0
	var index, tx uint64
	err := c.fields(func(key []byte) error {
		seen++
		switch string(key) {
		case "address":
			return c.fixed(log.Address[:])
		case "topics":
			return c.topics(log)
		case "data":
			data, err := c.bytes()
			log.Data = data
			return err
		case "blockNumber":
			return c.number(&log.BlockNumber)
		case "transactionHash":
			return c.fixed(log.TxHash[:])
		case "transactionIndex":
			return c.number(&tx)
		case "blockHash":
			return c.fixed(log.BlockHash[:])
		case "logIndex":
			return c.number(&index)
		case "removed":
			log.Removed = c.next() == 't'
			return c.ignore()
		default:
			seen--
			return c.ignore()
		}
	})
	log.Index, log.TxIndex = uint(index), uint(tx)
	if err == nil && seen < 8 { // removed may be left out
		err = fmt.Errorf("%w: a log lacks fields", errJSON)
	}
	return err
}

func (c *cursor) topics(log *types.Log) error {
	var topics [4]common.Hash
	n := 0
	err := c.elements(func() error {
		if n == len(topics) {
			return errJSON
		}
		n++
		return c.fixed(topics[n-1][:])
	})
	log.Topics = append([]common.Hash(nil), topics[:n]...)
	return err
}
