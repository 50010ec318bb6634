package edge

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// frame is a WebSocket frame as a client sends it.
func frame(opcode byte, final bool, payload int) []byte {
	header := []byte{opcode, 0x80}
	if final {
		header[0] |= 0x80
	}
	switch {
	case payload < 126:
		header[1] |= byte(payload)
	case payload < 1<<16:
		header[1] |= 126
		header = binary.BigEndian.AppendUint16(header, uint16(payload))
	default:
		header[1] |= 127
		header = binary.BigEndian.AppendUint64(header, uint64(payload))
	}
	return append(append(header, 1, 2, 3, 4), make([]byte, payload)...)
}

// However the bytes are cut, a message passes if all its frames together are within the
// limit, and none passes after one that is not.
func TestFrames(t *testing.T) {
	const limit = 70_000
	rapid.Check(t, func(t *rapid.T) {
		var bytes []byte
		fits := true
		size := rapid.OneOf(rapid.IntRange(0, 200), rapid.SampledFrom([]int{125, 126, 65535, 65536, limit - 1, limit, limit + 1}))
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			parts := rapid.IntRange(1, 3).Draw(t, "parts")
			message := 0
			for part := range parts {
				payload := size.Draw(t, "payload")
				message += payload
				opcode := byte(0)
				if part == 0 {
					opcode = 1
				}
				bytes = append(bytes, frame(opcode, part == parts-1, payload)...)
				if rapid.Bool().Draw(t, "ping between") {
					bytes = append(bytes, frame(9, true, 5)...)
				}
			}
			fits = fits && message <= limit
		}
		f := frames{limit: limit}
		accepted := true
		for len(bytes) > 0 && accepted {
			n := min(len(bytes), rapid.IntRange(1, 50_000).Draw(t, "read"))
			accepted = f.accept(bytes[:n])
			bytes = bytes[n:]
		}
		if accepted != fits {
			t.Fatalf("accepted %v, want %v", accepted, fits)
		}
	})
}

// No bytes make the limit's arithmetic fail: what is accepted is within it.
func FuzzFrames(f *testing.F) {
	f.Add(frame(1, true, 3), frame(0, true, 200))
	f.Add([]byte{0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		const limit = 100
		frames := frames{limit: limit}
		if frames.accept(a) && frames.accept(b) && (frames.payload > limit || frames.message > limit || len(frames.header) > 14) {
			t.Fatalf("%+v", frames)
		}
	})
}
