package poco_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/poco/pocotest"
)

// twins are two states of one history: one remembers, the other forgets now and then, is
// written down and read again, and both take back the same blocks.
type twins struct {
	*history
	other *poco.State
	marks [][2]poco.Mark
}

// TestAForgetfulStateDecidesAlike, whatever it is asked, and knows the same accounts.
func TestAForgetfulStateDecidesAlike(t *testing.T) {
	forgotten := 0
	check(t, func(h *history) {
		w := &twins{history: h, other: restore(h.T, h.state)}
		for range h.steps() {
			w.turn()
			w.play(h.next())
		}
		w.release()
		w.other.Forget()
		other, _ := w.other.Rows()
		all, _ := h.state.Rows()
		forgotten += all - other
	})
	if forgotten == 0 {
		t.Error("nothing was ever forgotten")
	}
}

func restore(t interface{ Fatal(...any) }, s *poco.State) *poco.State {
	restored, err := poco.Restore(s.Rules(), bytes.NewReader(snapshot(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	return restored
}

// turn does one of the things that happen between calls.
func (w *twins) turn() {
	switch rapid.IntRange(0, 9).Draw(w.T, "turn") {
	case 0, 1, 2:
		w.other.Forget()
	case 3, 4:
		w.marks = append(w.marks, [2]poco.Mark{w.state.Mark(), w.other.Mark()})
	case 5:
		w.rollback()
	case 6:
		w.release()
	case 7:
		w.marks = nil // what is restored has no marks
		w.other = restore(w.T, w.other)
	default:
	}
}

func (w *twins) rollback() {
	if len(w.marks) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.marks)-1).Draw(w.T, "roll back to")
	if err := errors.Join(w.state.Rollback(w.marks[i][0]), w.other.Rollback(w.marks[i][1])); err != nil {
		w.Fatal(err)
	}
	w.marks = w.marks[:i]
}

func (w *twins) release() {
	if len(w.marks) == 0 {
		return
	}
	last := w.marks[len(w.marks)-1]
	if err := errors.Join(w.state.Release(last[0]), w.other.Release(last[1])); err != nil {
		w.Fatal(err)
	}
	w.marks = nil
}

// play decides a step with both and folds what happens into both.
func (w *twins) play(step pocotest.Step) {
	at := poco.Block{Number: w.now.Number + 1, Time: w.now.Time + step.Wait}
	got, gotErr := w.other.Decide(at, step.Sender, step.Command)
	want, wantErr := w.state.Decide(at, step.Sender, step.Command)
	if !reflect.DeepEqual(got, want) || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		w.Fatalf("%T: got %v, %v, want %v, %v", step.Command, got, gotErr, want, wantErr)
	}
	if len(w.marks) > 0 {
		w.playBlind(step) // tasks that a rollback unmakes must not be drawn
	} else {
		w.history.play(step)
	}
	for _, event := range want {
		if err := w.other.Evolve(at, event); err != nil {
			w.Fatal(err)
		}
	}
	for _, person := range pocotest.People() {
		if got, want := w.other.Account(person), w.state.Account(person); got != want {
			w.Fatalf("after %T: account %+v, want %+v", step.Command, got, want)
		}
	}
}

// finished plays a task of a deal to its end.
func (w *world) finished(deal poco.Hash, index uint64) poco.Hash {
	task := w.initialize(deal, index)
	w.contribute(task, "w1=x")
	w.must("w1", poco.Reveal{Task: task, Digest: digestOf("x")})
	w.must("poolOwner", poco.Finalize{Task: task, Results: []byte("x")})
	return task
}

// TestADealIsForgottenWithItsLastTask, also by a state that is written down and read
// again in between.
func TestADealIsForgottenWithItsLastTask(t *testing.T) {
	for name, pause := range map[string]func(*world){
		"in one go": func(*world) {}, "restored": func(w *world) { w.state = restore(t, w.state) },
	} {
		t.Run(name, func(t *testing.T) {
			w := goldenWorld(t)
			before, _ := w.state.Rows()
			deal := w.match(golden(1, 2))
			first := w.finished(deal, 0)
			pause(w)
			w.state.Forget()
			got, _ := w.state.Task(first)
			if want := (poco.Task{Status: poco.TaskCompleted, Deal: deal}); !reflect.DeepEqual(*got, want) {
				t.Errorf("of a task of a deal that goes on there is %+v, want %+v", *got, want)
			}
			_, known := w.state.Contribution(first, w.who("w1"))
			equal(t, "its contribution is known", known, false)
			pause(w)
			w.refused("anyone", poco.Initialize{Deal: deal, Index: amount(0)}, "")
			last := w.initialize(deal, 1)
			w.wait(3000)
			w.must("anyone", poco.Claim{Task: last})
			pause(w)
			w.state.Forget()
			after, _ := w.state.Rows()
			equal(t, "rows", after, before)
			w.refused("anyone", poco.Initialize{Deal: deal, Index: amount(1)}, "")
			w.refused("anyone", poco.Claim{Task: last}, "")
		})
	}
}

func TestWhatCanComeBackIsNotForgotten(t *testing.T) {
	w := goldenWorld(t)
	deal := w.match(golden(1, 1))
	mark := w.state.Mark()
	before := w.state.Dump()
	w.finished(deal, 0)
	later := w.state.Mark()
	end := w.state.Dump()
	w.state.Forget()
	equal(t, "state while a mark is held", w.state.Dump(), end)
	if err := w.state.Rollback(mark); err != nil {
		t.Fatal(err)
	}
	w.state.Forget()
	equal(t, "state rolled back", w.state.Dump(), before)
	if err := w.state.Release(later); !errors.Is(err, poco.ErrMark) {
		t.Errorf("got %v", err)
	}
	w.finished(deal, 0)
	w.state.Mark()
	w.state.Forget()
	_, known := w.state.Deal(deal)
	equal(t, "the deal is known", known, false)
}

// TestADuplicateOfWhatIsForgottenIsNoticed: the deal's id says how much of the request
// had been consumed.
func TestADuplicateOfWhatIsForgottenIsNoticed(t *testing.T) {
	w := goldenWorld(t)
	events := w.must("requester", poco.MatchOrders{Orders: w.orders(golden(1, 1))})
	task := w.finished(dealOf(events), 0)
	w.state.Forget()
	for _, event := range []poco.Event{
		events[len(events)-1], poco.TaskInitialize{Task: task, Deal: dealOf(events)}, poco.TaskFinalize{Task: task}, poco.TaskClaimed{Task: task},
	} {
		if err := w.state.Evolve(w.now, event); err == nil {
			t.Errorf("%T was folded twice", event)
		}
	}
}

func TestBoostIsNotForgotten(t *testing.T) {
	w := goldenWorld(t)
	events := w.must("requester", poco.MatchOrdersBoost{Orders: w.orders(golden(1, 1))})
	w.wait(3000)
	w.must("anyone", poco.ClaimBoost{Deal: dealOf(events)})
	before := w.state.Dump()
	w.state.Forget()
	equal(t, "state", w.state.Dump(), before)
	w.refused("anyone", poco.ClaimBoost{Deal: dealOf(events)}, "PocoBoost: Task status not unset")
}

// TestWithoutOrders: the state folds what happens, and says what it cannot tell.
func TestWithoutOrders(t *testing.T) {
	w := goldenWorld(t)
	orders := w.orders(golden(1, 2))
	one := w.signOrders(orders)
	one.Workerpool.Volume = amount(1) // so that the request makes two deals
	one = w.signOrders(one)
	rules := w.state.Rules()
	with, bare := w.state, restore(t, w.state)
	bare.ForgetOrders()
	both := func(events []poco.Event) {
		t.Helper()
		for _, event := range events {
			if err := bare.Evolve(w.now, event); err != nil {
				t.Fatalf("%T: %v", event, err)
			}
		}
	}
	both(w.must("appOwner", poco.ManageOrder{Order: orders.App}))
	first := w.must("requester", poco.MatchOrders{Orders: one})
	both(first)
	two := one
	two.Workerpool.Salt = poco.Hash{1}
	second := w.must("requester", poco.MatchOrders{Orders: w.signOrders(two)})
	both(second)
	both(w.must("requester", poco.ManageOrder{Order: orders.Request, Close: true}))
	for i, deal := range []poco.Hash{dealOf(first), dealOf(second)} {
		want, _ := with.Deal(deal)
		got, _ := bare.Deal(deal)
		equal(t, "deal", *got, *want)
		both(w.must("anyone", poco.Initialize{Deal: deal, Index: amount(uint64(i))}))
	}
	_, kept := bare.Rows()
	equal(t, "orders kept", kept, 0)
	equal(t, "an order", bare.Order(rules.OrderHash(orders.App)), poco.Order{})
	moved := second[len(second)-1]
	if e, ok := moved.(poco.OrdersMatched); ok {
		body := *e.Body
		body.BotFirst = 7
		e.Deal[0]++
		e.Body = &body
		if err := bare.Evolve(w.now, e); !errors.Is(err, poco.ErrMismatch) {
			t.Errorf("a deal that is not its request's: %v", err)
		}
	}
	for _, s := range []*poco.State{bare, restore(t, bare)} {
		for _, command := range []poco.Command{
			poco.MatchOrders{Orders: one}, poco.SponsorMatchOrders{Orders: one}, poco.MatchOrdersBoost{Orders: one},
			poco.SponsorMatchOrdersBoost{Orders: one}, poco.ManageOrder{Order: orders.App},
		} {
			if _, err := s.Decide(w.now, w.who("requester"), command); !errors.Is(err, poco.ErrForgotten) {
				t.Errorf("%T: %v", command, err)
			}
		}
	}
}
