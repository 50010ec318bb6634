package analytics

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"assay/graphql/analytics/generated"
	"assay/schema/assaypb"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sdl() *ast.Schema { return generated.NewExecutableSchema(generated.Config{}).Schema() }

// Everything in the schema says what it is: the SDL is the documentation.
func TestEverythingIsDescribed(t *testing.T) {
	for name, definition := range sdl().Types {
		if definition.BuiltIn || definition.Position.Src.BuiltIn {
			continue
		}
		if definition.Description == "" {
			t.Errorf("%s is not described", name)
		}
		for _, field := range definition.Fields {
			if field.Description == "" && !strings.HasPrefix(field.Name, "__") {
				t.Errorf("%s.%s is not described", name, field.Name)
			}
			for _, argument := range field.Arguments {
				if argument.Description == "" && argument.Name != "filter" && !strings.HasPrefix(field.Name, "__") {
					t.Errorf("%s.%s(%s) is not described", name, field.Name, argument.Name)
				}
			}
		}
		for _, value := range definition.EnumValues {
			if value.Description == "" {
				t.Errorf("%s.%s is not described", name, value.Name)
			}
		}
	}
}

// The reasons and outcomes of verdicts are those that engines write.
func TestVerdictWords(t *testing.T) {
	check := func(enum string, names map[int32]string, prefix string) {
		var want []string
		for number, name := range names {
			if number != 0 {
				want = append(want, strings.TrimPrefix(name, prefix))
			}
		}
		var got []string
		for _, value := range sdl().Types[enum].EnumValues {
			got = append(got, value.Name)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, messages have %v", enum, got, want)
		}
	}
	check("VerdictReason", assaypb.Reason_name, "REASON_")
	check("VerdictOutcome", assaypb.Verdict_Outcome_name, "")
}

// selectionOf asks for every field of a type that is a value.
func selectionOf(name string) string {
	var fields []string
	for _, field := range sdl().Types[name].Fields {
		if kind := sdl().Types[field.Type.Name()].Kind; kind == ast.Scalar || kind == ast.Enum {
			fields = append(fields, field.Name)
		}
	}
	return "{ " + strings.Join(fields, " ") + " }"
}

// Every field of every type, of rows that have everything and of rows that have nothing.
func TestFields(t *testing.T) {
	conn := newDatabase(t)
	for _, kind := range []string{"APP", "DATASET"} {
		insert(t, conn, "resources", row{
			"chain": uint64(134), "kind": kind, "address": address(1), "owner": address(2), "name": "an entry", "type": "DOCKER", "multiaddr": "\x00\xff", "checksum": hash(1),
			"mrenclave": "m", "registered_at": clock(1), "block_number": uint64(7), "version": uint64(1),
		})
	}
	for table, r := range fullRows {
		empty := row{"version": uint64(1)}
		for _, column := range keys[table] {
			empty[column] = emptyKeys[column]
			if table == "categories" && column == "id" {
				empty[column] = new(big.Int)
			}
		}
		insert(t, conn, table, r)
		insert(t, conn, table, empty)
	}
	server := newServer(t, conn)
	r := ask(t, server, `{
		meta { chains `+selectionOf("ChainMeta")+` }
		deals { nodes `+selectionOf("Deal")+` }
		tasks { nodes `+selectionOf("Task")+` }
		contributions { nodes `+selectionOf("Contribution")+` }
		verdicts { nodes `+selectionOf("Verdict")+` }
		payouts { nodes `+selectionOf("Payout")+` }
		postings { nodes `+selectionOf("Posting")+` }
		bucketSums `+selectionOf("BucketSum")+`
		settlements: tasks { nodes { settlement { lines { nodes `+selectionOf("SettlementLine")+` } ...values } } }
		accounts { nodes `+selectionOf("Account")+` }
		workerpools { nodes `+selectionOf("Workerpool")+` }
		apps { nodes `+selectionOf("App")+` }
		datasets { nodes `+selectionOf("Dataset")+` }
		categories { nodes `+selectionOf("Category")+` }
		events { nodes `+selectionOf("Event")+` }
		orderEvents { nodes `+selectionOf("OrderEvent")+` }
		prices `+selectionOf("CategoryPrice")+`
	}
	fragment values on Settlement `+selectionOf("Settlement"), nil)
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, r.Data, "", "  "); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/fields.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the answer is not that of %s: write it anew with -update and look at the difference", golden)
	}
}

var emptyKeys = row{
	"chain": uint64(1), "id": hash(0), "task": hash(0), "worker": zeroAddress, "address": zeroAddress,
	"block_number": uint64(0), "log_index": uint32(0), "idx": uint32(0), "kind": "WORKERPOOL",
}

func number(text string) *big.Int {
	n, _ := new(big.Int).SetString(text, 10)
	return n
}

func clock(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }

var (
	enormous = number("115792089237316195423570985008687907853269984665640564039457584007913129639935") // 2^256-1
	accurate = true
	fullRows = map[string]row{
		"heads": {
			"chain": uint64(134), "head_number": uint64(9007199254740993), "head_hash": hash(1), "head_time": clock(1),
			"finalized_number": uint64(3), "finalized_hash": hash(2), "version": uint64(1),
		},
		"deals": {
			"chain": uint64(134), "id": hash(1), "app": address(1), "app_owner": address(2), "app_price": number("1000000001"),
			"dataset": address(3), "dataset_owner": address(4), "dataset_price": number("0"), "workerpool": address(5), "workerpool_owner": address(6),
			"workerpool_price": enormous, "trust": number("3"), "category": number("4"), "tag": hash(3), "requester": address(7),
			"beneficiary": address(8), "callback": address(9), "params": "{\"a\":\"\\\"\u2028\xff\x00'\"}", "start_time": clock(2), "bot_first": uint64(18446744073709551615),
			"bot_size": uint64(2), "worker_stake": number("30"), "scheduler_reward_ratio": number("40"), "sponsor": address(10),
			"block_number": uint64(5), "tx_hash": hash(4), "version": uint64(1),
		},
		"tasks": {
			"chain": uint64(134), "id": hash(1), "deal": hash(2), "idx": uint64(18446744073709551615), "workerpool": address(5), "requester": address(7),
			"status": "COMPLETED", "contribution_deadline": clock(1), "reveal_deadline": clock(2), "final_deadline": clock(3),
			"consensus_value": hash(3), "reveal_counter": uint64(1), "winner_counter": uint64(2), "contributors": uint64(3), "reopened": uint64(4),
			"result_digest": hash(4), "results": "\x00\xffa'", "results_callback": "\x01", "initialized_at": clock(4), "ended_at": clock(5),
			"block_number": uint64(6), "version": uint64(1),
		},
		"contributions": {
			"chain": uint64(134), "task": hash(1), "worker": address(1), "deal": hash(2), "workerpool": address(2), "status": "PROVED",
			"result_hash": hash(3), "result_seal": hash(4), "enclave_challenge": address(3), "weight": number("2"), "accurate": &accurate,
			"contributed_at": clock(1), "revealed_at": clock(2), "block_number": uint64(3), "tx_hash": hash(5), "version": uint64(1),
		},
		"verdicts": {
			"chain": uint64(134), "id": hash(1), "workerpool": address(1), "task": hash(2), "worker": address(2), "time": clock(1),
			"outcome": "REJECTED", "reason": "QUOTE_NOT_BOUND", "detail": "the quote names \xff\"another\" task", "message": hash(3), "result_hash": hash(4),
			"enclave_challenge": address(3), "agreement": "8/11", "quote_hash": hash(5), "mrenclave": "abcd", "source_partition": uint32(1),
			"source_offset": uint64(2), "version": uint64(1),
		},
		"payouts": {
			"chain": uint64(134), "block_number": uint64(1), "log_index": uint32(4294967295), "tx_hash": hash(1), "time": clock(1), "kind": "REWARD",
			"role": "WORKER", "account": address(1), "amount": number("1230000000"), "task": hash(2), "deal": hash(3), "workerpool": address(2), "version": uint64(1),
		},
		"postings": {
			"chain": uint64(134), "block_number": uint64(1), "log_index": uint32(4294967295), "idx": uint32(1), "tx_hash": hash(1), "time": clock(1),
			"event": "Seize", "account": address(1), "bucket": "LOCKED", "amount": number("-57896044618658097711785492504343953926634992332820282019728792003956564819967"),
			"task": hash(2), "deal": hash(3), "version": uint64(1),
		},
		"settlements": {
			"chain": uint64(134), "task": hash(1), "deal": hash(2), "workerpool": address(2), "call": "FINALIZE", "price": number("1000000015"),
			"app_price": number("3"), "dataset_price": number("5"), "workerpool_price": number("1000000007"), "seized": number("300000002"),
			"reward": number("1300000009"), "scheduler_reward_ratio": number("1"), "workers_reward": number("1287000008"), "weights": number("3"),
			"rounding": number("2"), "remainder": number("13000003"), "kitty_draw": number("6"), "kitty_fill": number("7"), "exact": true,
			"block_number": uint64(8), "log_index": uint32(9), "tx_hash": hash(3), "time": clock(1), "version": uint64(1),
		},
		"settlement_lines": {
			"chain": uint64(134), "task": hash(1), "idx": uint32(10), "block_number": uint64(8), "log_index": uint32(4), "account": address(3),
			"role": "WORKER", "kind": "STAKE_RETURNED", "amount": number("300000002"), "stake": number("300000002"), "locked": number("-300000002"),
			"weight": number("2"), "version": uint64(1),
		},
		"accounts": {
			"chain": uint64(134), "address": address(1), "stake": enormous, "locked": number("1"), "score": number("7"), "deposited": number("2"),
			"withdrawn": number("3"), "earned": number("1000000000"), "spent": number("5"), "seized": number("123456789012"), "block_number": uint64(6), "version": uint64(1),
		},
		"categories": {"chain": uint64(134), "id": number("4"), "name": "XL\xff", "description": "long", "work_clock_time_ref": uint64(600), "block_number": uint64(3), "version": uint64(1)},
		"events": {
			"chain": uint64(134), "block_number": uint64(9), "log_index": uint32(3), "block_hash": hash(1), "time": clock(9), "tx_hash": hash(2), "tx_index": uint32(1),
			"emitter": address(1), "name": "OrderClosed", "args": `{"kind":"DATASET","hash":"` + hash(5) + `","volume":"12"}`, "version": uint64(1),
		},
		"resources": {
			"chain": uint64(134), "kind": "WORKERPOOL", "address": address(1), "owner": address(2), "name": "a pool \xff", "worker_stake_ratio": number("30"),
			"scheduler_reward_ratio": number("10"), "registered_at": clock(1), "block_number": uint64(7), "version": uint64(1),
		},
	}
)

// Every list is a connection with its count, takes first, after and asOf, and no two things
// are said of a number: amounts are text, and their fields say in what.
func TestListsAndAmounts(t *testing.T) {
	lists := 0
	for name, definition := range sdl().Types {
		if definition.BuiltIn || definition.Kind != ast.Object || strings.HasPrefix(name, "__") {
			continue
		}
		if strings.HasSuffix(name, "Connection") {
			for field, kind := range map[string]string{"edges": "[" + strings.TrimSuffix(name, "Connection") + "Edge!]!", "nodes": "[" + strings.TrimSuffix(name, "Connection") + "!]!", "pageInfo": "PageInfo!", "totalCount": "Uint64!"} {
				if f := definition.Fields.ForName(field); f == nil || f.Type.String() != kind {
					t.Errorf("%s has no %s: %s", name, field, kind)
				}
			}
		}
		for _, field := range definition.Fields {
			at := name + "." + field.Name
			if strings.HasSuffix(field.Type.Name(), "Connection") {
				lists++
				for _, argument := range []string{"first", "after", "asOf"} {
					if field.Arguments.ForName(argument) == nil {
						t.Errorf("%s does not take %s", at, argument)
					}
				}
			}
			if field.Type.Elem != nil && field.Arguments.ForName("first") != nil {
				t.Errorf("%s has pages, but is no connection", at)
			}
			checkAmount(t, at, field)
		}
	}
	if lists < 50 {
		t.Errorf("only %d lists are found", lists)
	}
}

// moneyWords are in the names of fields that are money.
var moneyWords = regexp.MustCompile(`(?i)(price|stake$|locked|amount|earned|spent|seized|deposited|withdrawn|refunded|volume(RLC)?$|reward$|paid|kitty|balance|remainder|rounding)`)

// countWords are in names of fields that look like money and are not.
var countWords = regexp.MustCompile(`(?i)^(DatasetPermission\.volume|OrderEvent\.volume|Query\.kitty)$`)

func checkAmount(t *testing.T, at string, field *ast.FieldDefinition) {
	t.Helper()
	kind, words := field.Type.Name(), field.Description
	switch {
	case kind == "Float":
		t.Errorf("%s is a float", at)
	case (kind == "NRLC" || kind == "NRLCChange") && !strings.Contains(words, "nRLC"):
		t.Errorf("%s does not say that it is in nRLC: %s", at, words)
	case kind == "RLC" && (!strings.HasSuffix(field.Name, "RLC") || !strings.Contains(words, "RLC") || strings.Contains(words, "nRLC")):
		t.Errorf("%s does not say that it is in RLC: %s", at, words)
	case moneyWords.MatchString(field.Name) && !countWords.MatchString(at) && !slices.Contains([]string{"NRLC", "NRLCChange", "RLC"}, kind) && sdl().Types[kind].Kind == ast.Scalar:
		t.Errorf("%s looks like money and is %s", at, kind)
	}
	if lasts := regexp.MustCompile(`(?i)(duration|latency|seconds|workClock|^p\d\d$)`); lasts.MatchString(field.Name) && sdl().Types[kind].Kind == ast.Scalar && !strings.Contains(words, "econds") &&
		!strings.HasPrefix(at, "Latency.") {
		t.Errorf("%s does not say that it is in seconds: %s", at, words)
	}
}
