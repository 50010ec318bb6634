package workers

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Work is all that a task's result may depend on.
type Work struct {
	App     common.Address
	Dataset common.Address // zero where the deal has none
	Params  string
	Deal    common.Hash
	Index   uint64 // of the task in its deal
}

// Runner computes a task's result. It must be deterministic: workers are paid for
// agreeing. An error means that this worker could not run the task now; whatever is
// wrong with the task itself is a result like any other.
type Runner func(context.Context, Work) ([]byte, error)

// Bounds of what the built-in computations do for anyone who pays for a task.
const (
	maxPrimes  = 1 << 20
	maxHashes  = 1 << 20
	maxSide    = 256 // points of a Mandelbrot tile's side
	maxParams  = 4 << 10
	iterations = 256
)

// command is the built-in app's input, the deal's params.
type command struct {
	Cmd string `json:"cmd"`
	N   uint64 `json:"n"`
}

// Compute is the built-in app. Params are JSON:
//
//	{"cmd":"primes","n":1000}    counts the primes of the task's own range of n numbers
//	{"cmd":"sha256","n":1000}    hashes n times, starting from the task's identity
//	{"cmd":"mandelbrot","n":64}  sums the iterations of an n × n tile of the set
//
// The result is one line of JSON. Params that make no sense give {"error": …}, the
// same for everyone.
func Compute(ctx context.Context, work Work) ([]byte, error) {
	value, err := compute(ctx, work)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return json.Marshal(map[string]string{"error": err.Error()})
	}
	return json.Marshal(map[string]any{"result": value})
}

func compute(ctx context.Context, work Work) (any, error) {
	if len(work.Params) > maxParams {
		return nil, fmt.Errorf("params longer than %d bytes", maxParams)
	}
	var cmd command
	if err := json.Unmarshal([]byte(work.Params), &cmd); err != nil {
		return nil, errors.New("params are not a JSON object with cmd and n")
	}
	switch cmd.Cmd {
	case "primes":
		return bounded(cmd.N, maxPrimes, func() any { return primes(work.Index, cmd.N) })
	case "sha256":
		return bounded(cmd.N, maxHashes, func() any { return hashChain(ctx, work, cmd.N) })
	case "mandelbrot":
		return bounded(cmd.N, maxSide, func() any { return mandelbrot(work.Index, int64(cmd.N)) })
	}
	return nil, errors.New("cmd is none of primes, sha256, mandelbrot")
}

func bounded(n, most uint64, run func() any) (any, error) {
	if n == 0 || n > most {
		return nil, fmt.Errorf("n is not between 1 and %d", most)
	}
	return run(), nil
}

// primes counts the primes in [index·n, index·n+n), the start taken modulo 2³¹.
func primes(index, n uint64) int {
	start := index * n % (1 << 31)
	composite := make([]bool, n)
	for divisor := uint64(2); divisor*divisor < start+n; divisor++ {
		first := max(divisor*divisor, (start+divisor-1)/divisor*divisor)
		for multiple := first; multiple < start+n; multiple += divisor {
			composite[multiple-start] = true
		}
	}
	count := 0
	for i := range composite {
		if !composite[i] && start+uint64(i) >= 2 {
			count++
		}
	}
	return count
}

// hashChain hashes n times. The start is the task's identity, so no two tasks share
// their work. It looks up now and then whether it should stop.
func hashChain(ctx context.Context, work Work, n uint64) string {
	seed := append(append(work.App.Bytes(), work.Dataset.Bytes()...), work.Deal.Bytes()...)
	link := sha256.Sum256(binary.BigEndian.AppendUint64(seed, work.Index))
	for i := uint64(0); i < n && (i%4096 != 0 || ctx.Err() == nil); i++ {
		link = sha256.Sum256(link[:])
	}
	return hex.EncodeToString(link[:])
}

// mandelbrot sums the iterations at side × side points of one of the 64 tiles of
// [-2,1] × [-1.5,1.5]. Fixed-point with 28 fractional bits: floating point may differ
// by the machine.
func mandelbrot(index uint64, side int64) int64 {
	const one = 1 << 28
	column, row := int64(index%8), int64(index/8%8)
	step := int64(3*one) / 8 / side
	var sum int64
	for y := range side {
		for x := range side {
			sum += escape(-2*one+(column*side+x)*step, -3*one/2+(row*side+y)*step)
		}
	}
	return sum
}

// escape counts the iterations until z ← z²+c leaves the circle of radius 2.
func escape(re, im int64) (n int64) {
	var x, y int64
	for ; n < iterations; n++ {
		xx, yy := x*x>>28, y*y>>28
		if xx+yy > 4<<28 {
			break
		}
		x, y = xx-yy+re, (x*y>>27)+im
	}
	return n
}
