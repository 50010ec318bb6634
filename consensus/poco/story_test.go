package poco_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"assay/consensus/poco"
)

var update = flag.Bool("update", false, "write the traces of the stories in testdata anew")

// TestStories plays testdata/*.txt: commands in, each followed by its full trace, two
// spaces in. What is not indented is the story; the rest is checked, or written anew.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(want))
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, want) {
				t.Errorf("the trace is now\n%s", got)
			}
		})
	}
}

// story is a world in which deals and tasks have names.
type story struct {
	*world
	names map[string]string // hex of addresses and hashes
	deals map[string]poco.Hash
	out   bytes.Buffer
}

func tell(t *testing.T, text string) []byte {
	r := rules()
	s := &story{world: newWorld(t, r), names: map[string]string{}, deals: map[string]poco.Hash{}}
	s.name(r.Hub, "hub")
	s.name(poco.KittyAddress, "kitty")
	for _, name := range []string{
		"owner", "app", "dataset", "pool", "appOwner", "datasetOwner", "poolOwner", "requester", "sponsor", "anyone", "enclave",
		"w1", "w2", "w3", "w4", "w5",
	} {
		s.name(addressOf(name), name)
	}
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&s.out, line)
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			s.command(words[0], words[1:])
		}
	}
	return s.out.Bytes()
}

func (s *story) name(thing fmt.Stringer, name string) { s.names[thing.String()] = name }

func (s *story) command(verb string, words []string) {
	switch verb {
	case "wait":
		seconds, err := strconv.ParseUint(words[0], 10, 64)
		if err != nil {
			s.Fatal(err)
		}
		s.wait(seconds)
	case "show":
		s.show(words)
	case "deposit":
		for _, name := range words[1:] {
			s.act(name, poco.Deposit{Amount: s.number(words[0])})
		}
	case "match", "sponsor":
		s.matchOrders(verb, words[0], words[1:])
	default:
		s.taskCommand(verb, words)
	}
}

func (s *story) number(word string) poco.Amount {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		s.Fatal(err)
	}
	return amount(n)
}

// matchOrders makes a named deal of terms like price=100.
func (s *story) matchOrders(verb, name string, terms []string) {
	orders := s.orders(func(o *poco.Orders) {
		for _, term := range terms {
			key, value, _ := strings.Cut(term, "=")
			s.term(o, key, s.number(value))
		}
	})
	sender, command := "requester", poco.Command(poco.MatchOrders{Orders: orders})
	if verb == "sponsor" {
		sender, command = "sponsor", poco.SponsorMatchOrders{Orders: orders}
	}
	rules, zero := s.state.Rules(), amount(0)
	deal := poco.DealID(rules.OrderHash(orders.Request), &zero)
	s.deals[name] = deal
	s.name(deal, name)
	for i, order := range []poco.AnyOrder{orders.App, orders.Dataset, orders.Workerpool, orders.Request} {
		s.name(rules.OrderHash(order), name+"."+[]string{"app", "dataset", "pool", "request"}[i])
	}
	s.act(sender, command)
}

func (s *story) term(o *poco.Orders, key string, value poco.Amount) {
	switch key {
	case "price":
		o.Workerpool.Price, o.Request.WorkerpoolMaxPrice = value, value
	case "app":
		o.App.Price, o.Request.AppMaxPrice = value, value
	case "dataset":
		o.Dataset.Price, o.Request.DatasetMaxPrice = value, value
	case "trust":
		o.Workerpool.Trust, o.Request.Trust = value, value
	case "volume":
		o.App.Volume, o.Dataset.Volume, o.Workerpool.Volume, o.Request.Volume = value, value, value, value
	case "tag":
		o.App.Tag[31], o.Workerpool.Tag[31] = byte(value.Uint64()), byte(value.Uint64())
	default:
		s.Fatalf("no term %q", key)
	}
}

// task returns the task that is written deal/index.
func (s *story) task(word string) (poco.Hash, poco.Hash, poco.Amount) {
	name, number, _ := strings.Cut(word, "/")
	index := s.number(number)
	deal, ok := s.deals[name]
	if !ok {
		s.Fatalf("no deal %q", name)
	}
	task := poco.TaskID(deal, &index)
	s.name(task, word)
	for _, result := range []string{"right", "wrong"} {
		s.name(poco.ResultHash(task, digestOf(result)), result+"Hash")
		s.name(digestOf(result), result+"Digest")
		for _, worker := range []string{"w1", "w2", "w3", "w4", "w5"} {
			s.name(poco.ResultSeal(s.who(worker), task, digestOf(result)), result+"Seal")
		}
	}
	return task, deal, index
}

// taskCommand carries out a command whose first word is a task.
func (s *story) taskCommand(verb string, words []string) {
	task, deal, index := s.task(words[0])
	switch verb {
	case "initialize":
		s.act("anyone", poco.Initialize{Deal: deal, Index: index})
	case "contribute":
		s.act(words[1], s.contribution(words[1], task, words[2]))
	case "reveal":
		s.act(words[1], poco.Reveal{Task: task, Digest: digestOf(words[2])})
	case "finalize":
		s.act("poolOwner", poco.Finalize{Task: task, Results: []byte("result")})
	case "reopen":
		s.act("poolOwner", poco.Reopen{Task: task})
	case "claim":
		s.act("anyone", poco.Claim{Task: task})
	case "contributeAndFinalize":
		s.act(words[1], s.atOnce(words[1], task, words[2]))
	default:
		s.Fatalf("no command %q", verb)
	}
}

// atOnce is a result from an enclave.
func (s *story) atOnce(worker string, task poco.Hash, result string) poco.Command {
	digest, enclave := digestOf(result), s.who("enclave")
	message := poco.EnclaveMessage(poco.ResultHash(task, digest), poco.ResultSeal(s.who(worker), task, digest))
	return poco.ContributeAndFinalize{
		Task: task, Digest: digest, Results: []byte("result"), EnclaveChallenge: enclave,
		EnclaveSign: s.sign("enclave", message), Authorization: s.authorize(worker, task, enclave),
	}
}

// act plays a command and writes its trace.
func (s *story) act(sender string, command poco.Command) {
	events, err := s.try(sender, command)
	var revert *poco.Revert
	if errors.As(err, &revert) {
		fmt.Fprintf(&s.out, "  %v\n", revert)
	} else if err != nil {
		s.Fatal(err)
	}
	for _, event := range events {
		fmt.Fprintf(&s.out, "  %s\n", s.describe(event))
	}
}

// describe writes an event with its fields, in their names where they have any.
func (s *story) describe(event poco.Event) string {
	v := reflect.ValueOf(event)
	words := []string{v.Type().Name()}
	for i := range v.NumField() {
		if value, shown := s.value(v.Field(i).Interface()); shown {
			words = append(words, v.Type().Field(i).Name+"="+value)
		}
	}
	return strings.Join(words, " ")
}

func (s *story) value(field any) (string, bool) {
	switch f := field.(type) {
	case poco.Amount:
		return (&f).Dec(), true
	case poco.Address:
		return s.called(f), f != poco.Address{}
	case poco.Hash:
		return s.called(f), f != poco.Hash{}
	case []byte:
		return strconv.Quote(string(f)), len(f) > 0
	case *poco.Deal:
		return "", false
	default:
		return fmt.Sprint(f), true
	}
}

func (s *story) called(thing fmt.Stringer) string {
	if name := s.names[thing.String()]; name != "" {
		return name
	}
	return thing.String()
}

// show writes accounts, or how much agrees on the results of a task.
func (s *story) show(words []string) {
	for _, word := range words {
		if strings.Contains(word, "/") {
			s.showTask(word)
			continue
		}
		who := s.who(word)
		if word == "kitty" {
			who = poco.KittyAddress
		}
		a := s.state.Account(who)
		fmt.Fprintf(&s.out, "  %s: stake %s, locked %s, score %s\n", word, a.Stake.Dec(), a.Locked.Dec(), a.Score.Dec())
	}
}

func (s *story) showTask(word string) {
	id, _, _ := s.task(word)
	task, _ := s.state.Task(id)
	status := []string{"unset", "active", "revealing", "completed", "failed"}[task.Status]
	right := s.state.Consensus(id, poco.ResultHash(id, digestOf("right")))
	wrong := s.state.Consensus(id, poco.ResultHash(id, digestOf("wrong")))
	fmt.Fprintf(&s.out, "  %s: %s, right %s, wrong %s of %s\n", word, status, right.Group.Dec(), wrong.Group.Dec(), right.Total.Dec())
}
