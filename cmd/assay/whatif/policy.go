// Package whatif is the edge of package replay: it reads policies and recorded logs, and
// writes reports as CSV, JSON and Parquet.
package whatif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"assay/consensus/replay"
)

// policyFile is a policy as a researcher writes it. What is left out stays as on the
// chain.
type policyFile struct {
	Trust struct {
		Fixed    *whole `yaml:"fixed"`
		Minimum  *whole `yaml:"minimum"`
		Multiply *whole `yaml:"multiply"`
	} `yaml:"trust"`
	Weight struct {
		Function string `yaml:"function"`
		Value    *whole `yaml:"value"`
		Cap      *whole `yaml:"cap"`
	} `yaml:"weight"`
	Stake  *whole `yaml:"stake"`
	Reward struct {
		Scheduler *whole `yaml:"scheduler"`
		Split     string `yaml:"split"`
		Log       string `yaml:"log"`
	} `yaml:"reward"`
}

// whole is a whole number. The YAML library alone would cut 1.5 down to 1.
type whole uint64

// UnmarshalYAML reads a whole number from 0 to 2⁶⁴−1.
func (w *whole) UnmarshalYAML(node *yaml.Node) error {
	value, err := strconv.ParseUint(node.Value, 10, 64)
	if err != nil || node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %q is no whole number", node.Line, node.Value)
	}
	*w = whole(value)
	return nil
}

// The words for each choice, in the order of package replay's constants.
var (
	curves    = []string{"poco", "constant", "linear", "log"}
	splits    = []string{"log-weight", "weight", "equal"}
	roundings = []string{"era", "floor", "ceil"}
)

// mostStake bounds the stake, in percent of the price: a million is ten thousand prices.
const mostStake = 1_000_000

// ParsePolicy reads a policy file (YAML). A key that it does not know is an error; an
// empty file is the chain's own rules.
func ParsePolicy(data []byte) (replay.Policy, error) {
	var file policyFile
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return replay.Policy{}, inOneLine(err)
	}
	if err := decoder.Decode(new(policyFile)); !errors.Is(err, io.EOF) {
		return replay.Policy{}, errors.New("a policy file holds one policy")
	}
	return file.policy()
}

// inOneLine says what the YAML library found, without the names of our types.
func inOneLine(err error) error {
	found := []string{err.Error()}
	if wrong := (*yaml.TypeError)(nil); errors.As(err, &wrong) {
		found = slices.Clone(wrong.Errors)
	}
	for i := range found {
		found[i], _, _ = strings.Cut(found[i], " in type ")
		found[i], _, _ = strings.Cut(found[i], " into ")
	}
	return errors.New(strings.Join(found, "; "))
}

func (f *policyFile) policy() (replay.Policy, error) {
	r := reader{}
	p := replay.Policy{
		Trust: replay.Trust{
			Fixed:    r.number("trust.fixed", f.Trust.Fixed),
			Minimum:  r.number("trust.minimum", f.Trust.Minimum),
			Multiply: r.number("trust.multiply", f.Trust.Multiply),
		},
		Weight: replay.Weight{
			Curve: replay.Curve(r.choice("weight.function", f.Weight.Function, curves)),
			Value: r.number("weight.value", f.Weight.Value),
			Cap:   r.number("weight.cap", f.Weight.Cap),
		},
		Stake: r.atMost("stake", f.Stake, mostStake),
		Reward: replay.Reward{
			Scheduler: r.atMost("reward.scheduler", f.Reward.Scheduler, 100),
			Split:     replay.Split(r.choice("reward.split", f.Reward.Split, splits)),
			Log:       replay.Rounding(r.choice("reward.log", f.Reward.Log, roundings)),
		},
	}
	set := 0
	for _, value := range []*whole{f.Trust.Fixed, f.Trust.Minimum, f.Trust.Multiply} {
		if value != nil {
			set++
		}
	}
	r.check(set <= 1, "trust: set one of fixed, minimum and multiply")
	r.check((p.Weight.Curve == replay.Constant) == (f.Weight.Value != nil), "weight.value belongs to weight.function constant, which needs it")
	r.check(p.Reward.Log == replay.ByEra || p.Reward.Split == replay.ByLogWeight, "reward.log rounds the log weights of reward.split log-weight")
	return p, r.err
}

// reader keeps the first error.
type reader struct{ err error }

func (r *reader) check(ok bool, format string, args ...any) {
	if !ok && r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// number is 0 where there is none.
func (r *reader) number(key string, value *whole) uint64 {
	if value == nil {
		return 0
	}
	r.check(*value > 0, "%s: it is at least 1", key)
	return uint64(*value)
}

func (r *reader) atMost(key string, value *whole, most whole) *uint64 {
	r.check(value == nil || *value <= most, "%s: it is a percentage, at most %d", key, most)
	return (*uint64)(value)
}

// choice is the place of a word; none is the first.
func (r *reader) choice(key, word string, words []string) int {
	if word == "" {
		return 0
	}
	i := slices.Index(words, word)
	r.check(i >= 0, "%s: there is no %q, use one of %s", key, word, strings.Join(words, ", "))
	return max(i, 0)
}
