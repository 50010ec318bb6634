package analytics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// told is what a subscription tells, in short.
func (s *socket) told(t testing.TB, field string) map[string]any {
	t.Helper()
	var payload struct{ Data map[string]map[string]any }
	text := s.next().Payload
	if err := json.Unmarshal(text, &payload); err != nil || payload.Data[field] == nil {
		t.Fatalf("%v: %s", err, text)
	}
	return payload.Data[field]
}

func (s *socket) listen(t testing.TB, query string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": "subscription { " + query + " }"})
	if err != nil {
		t.Fatal(err)
	}
	s.send(message{ID: "1", Type: "subscribe", Payload: body})
}

// Statuses of tasks are told block by block, and a broken stream goes on after its cursor.
func TestTaskStatus(t *testing.T) {
	conn := newDatabase(t)
	server := newServer(t, conn)
	change := func(version, block uint64, id int, status string, requester string) {
		insert(t, conn, "tasks", row{"chain": uint64(7), "id": hash(id), "deal": hash(9), "status": status, "requester": requester, "block_number": block, "version": version})
		insert(t, conn, "heads", row{"chain": uint64(7), "head_number": block, "version": version})
	}
	change(1, 1, 1, "ACTIVE", requester(1))
	s := dial(t, server)
	s.listen(t, `taskStatus(filter: {chain: 7, requester: "`+requester(1)+`"}) { cursor taskId status blockNumber task { status } }`)
	waitSubscribers(t, server, 1)
	change(2, 2, 1, "REVEALING", requester(1))
	change(3, 2, 2, "ACTIVE", requester(2))
	first := s.told(t, "taskStatus")
	change(4, 3, 1, "COMPLETED", requester(1))
	s.told(t, "taskStatus")
	change(5, 4, 1, "FAILED", requester(1))
	got := []string{fmt.Sprint(first["status"], first["blockNumber"])}
	again := dial(t, server)
	again.listen(t, `taskStatus(after: "`+as[string](first["cursor"])+`", filter: {requester: "`+requester(1)+`"}) { status blockNumber task { status } }`)
	for range 2 {
		event := again.told(t, "taskStatus")
		got = append(got, fmt.Sprint(event["status"], event["blockNumber"]))
	}
	if want := "[REVEALING2 COMPLETED3 FAILED4]"; fmt.Sprint(got) != want {
		t.Errorf("told %v, want %s", got, want)
	}
}

// Each head is told once it is written.
func TestHeads(t *testing.T) {
	conn := newDatabase(t)
	server := newServer(t, conn)
	s := dial(t, server)
	s.listen(t, `head(chain: 7) { chain number hash finalizedNumber }`)
	waitSubscribers(t, server, 1)
	insert(t, conn, "heads", row{"chain": uint64(134), "head_number": uint64(1), "version": uint64(1)})
	for version := uint64(1); version < 3; version++ {
		insert(t, conn, "heads", row{"chain": uint64(7), "head_number": 10 * version, "head_hash": hash(3), "finalized_number": version, "version": version})
		if head := s.told(t, "head"); fmt.Sprint(head) != fmt.Sprint(map[string]any{"chain": 7, "number": 10 * version, "hash": hash(3), "finalizedNumber": version}) {
			t.Errorf("told of %v", head)
		}
	}
}

// Alerts of every partition are told in the order of their offsets.
func TestAlerts(t *testing.T) {
	conn := newDatabase(t)
	server := newServer(t, conn)
	alert := func(partition uint32, offset uint64, kind, task string) {
		insert(t, conn, "decisions", row{
			"chain": uint64(7), "id": hash(int(offset)*10 + int(partition)), "kind": kind, "workerpool": pool(1), "task": task, "time": clock(1), "partition": partition,
			"body": `{"name":"task_unassignable","detail":"no worker is left"}`, "version": offset,
		})
	}
	alert(0, 5, "alert", hash(1))
	s := dial(t, server)
	s.listen(t, `alerts(filter: {workerpool: "`+strings.ToUpper(pool(1)[2:3])+`"}) { alert { name } }`)
	if text := string(s.next().Payload); !strings.Contains(text, codeInput) && !strings.Contains(text, "address") {
		t.Errorf("a bad filter is answered with %s", text)
	}
	s = dial(t, server)
	s.listen(t, `alerts(filter: {workerpool: "`+pool(1)+`"}) { cursor alert { id name detail taskId workerpoolAddress time } }`)
	waitSubscribers(t, server, 1)
	alert(1, 2, "alert", "")
	alert(1, 3, "verdict", hash(1))
	alert(0, 6, "alert", hash(1))
	seen := make(map[string]any)
	for range 2 {
		told := as[map[string]any](s.told(t, "alerts")["alert"])
		seen[as[string](told["id"])] = told["taskId"]
		if told["name"] != "task_unassignable" || told["detail"] != "no worker is left" {
			t.Errorf("told of %v", told)
		}
	}
	if want := map[string]any{hash(21): nil, hash(60): hash(1)}; fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("told of %v, want %v", seen, want)
	}
}
