package workers

import (
	"context"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"
)

func result0(t *testing.T, work Work) string {
	t.Helper()
	out, err := Compute(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The answers were computed by other programs.
func TestComputeKnownAnswers(t *testing.T) {
	for _, example := range []struct {
		work Work
		want string
	}{
		{Work{Params: `{"cmd":"primes","n":100}`}, `{"result":25}`},
		{Work{Params: `{"cmd":"primes","n":100}`, Index: 1}, `{"result":21}`},
		{Work{Params: `{"cmd":"primes","n":1000000}`}, `{"result":78498}`},
		{Work{Params: `{"cmd":"sha256","n":1}`}, `{"result":"4be7570e8f70eb093640c8468274ba759745a7aa2b7d25ab1e0421b259845014"}`},
		{Work{Params: `{"cmd":"mandelbrot","n":16}`}, `{"result":256}`},
		{Work{Params: `{"cmd":"mandelbrot","n":16}`, Index: 20}, `{"result":46016}`},
	} {
		if got := result0(t, example.work); got != example.want {
			t.Errorf("%s of task %d: %s, want %s", example.work.Params, example.work.Index, got, example.want)
		}
	}
}

func TestBadParamsAreAResult(t *testing.T) {
	for params, want := range map[string]string{
		"":                                  "not a JSON object",
		"[]":                                "not a JSON object",
		`{"cmd":"rm"}`:                      "cmd is none of",
		`{"cmd":"primes"}`:                  "n is not between",
		`{"cmd":"primes","n":-1}`:           "not a JSON object",
		`{"cmd":"primes","n":1e30}`:         "not a JSON object",
		`{"cmd":"sha256","n":1048577}`:      "n is not between",
		`{"cmd":"mandelbrot","n":257}`:      "n is not between",
		strings.Repeat("x", maxParams+1):    "longer than",
		`{"cmd":"mandelbrot","n":0}`:        "n is not between",
		`{"cmd":"primes","n":"many"}`:       "not a JSON object",
		`{"cmd":"primes","n":10} trailing`:  "not a JSON object",
		"{\"cmd\":\"primes\",\"n\":10}\x00": "not a JSON object",
	} {
		got := result0(t, Work{Params: params})
		if !strings.HasPrefix(got, `{"error":"`) || !strings.Contains(got, want) || len(got) > 100 {
			t.Errorf("%.40q gives %s, want an error that says %q", params, got, want)
		}
	}
}

func TestTasksHaveResultsOfTheirOwn(t *testing.T) {
	work := Work{Params: `{"cmd":"sha256","n":3}`}
	seen := map[string]bool{result0(t, work): true}
	for _, other := range []Work{
		{Params: work.Params, Index: 1},
		{Params: work.Params, Deal: common.Hash{1}},
		{Params: work.Params, App: common.Address{1}},
		{Params: work.Params, Dataset: common.Address{1}},
		{Params: `{"cmd":"sha256","n":4}`},
	} {
		if got := result0(t, other); seen[got] {
			t.Errorf("%+v has the result of another task", other)
		} else {
			seen[got] = true
		}
	}
}

// A slow and obvious count agrees, wherever the range starts.
func TestPrimesAgreeWithTrialDivision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 200).Draw(t, "n")
		index := rapid.Uint64Range(0, 500).Draw(t, "index")
		count := 0
		for candidate := index * n; candidate < index*n+n; candidate++ {
			if isPrime(candidate) {
				count++
			}
		}
		if got := primes(index, n); got != count {
			t.Errorf("primes(%d, %d) = %d, want %d", index, n, got, count)
		}
	})
}

func isPrime(n uint64) bool {
	for d := uint64(2); d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n >= 2
}

func TestComputeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out, err := Compute(ctx, Work{Params: `{"cmd":"sha256","n":1048576}`}); err == nil {
		t.Errorf("a cancelled computation gave %s", out)
	}
}

func FuzzCompute(f *testing.F) {
	f.Add(`{"cmd":"primes","n":10}`, uint64(1))
	f.Add(`{"cmd":"mandelbrot","n":2}`, uint64(1<<63))
	f.Add(`{"cmd":"sha256","n":2}`, ^uint64(0))
	f.Fuzz(func(t *testing.T, params string, index uint64) {
		if out := result0(t, Work{Params: params, Index: index}); len(out) == 0 || len(out) > 200 {
			t.Errorf("a result of %d bytes", len(out))
		}
	})
}
