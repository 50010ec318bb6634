package analytics

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"

	"assay/schema/assaypb"
)

// shownAttestation is an attestation as a client reads it.
type shownAttestation struct {
	VerdictID string
	Accepted  bool
	Quote     string
}

func (a *shownAttestation) words() string {
	if a == nil {
		return "none"
	}
	return fmt.Sprint(a.VerdictID, a.Accepted, a.Quote)
}

// attestationRows are attestations of the verdicts that there may be, for a few tasks and
// workers, so that a contribution has several; some are written twice or taken back.
func attestationRows(r *rand.Rand) (written, seen []row) {
	for id := range 60 {
		for _, chain := range chains {
			a := row{
				"chain": chain, "verdict": hash(id), "task": hash(r.IntN(20)), "worker": worker(r.IntN(4)), "accepted": r.IntN(3) > 0,
				"mode": "RESULT", "judged_at": clock(r.IntN(3)), "quote": fmt.Sprintf("\xff\x00%c", id), "version": uint64(1000*(id+1) + r.IntN(1000)), "deleted": uint8(0),
			}
			switch r.IntN(4) {
			case 0:
				continue
			case 1:
				a["deleted"] = uint8(1)
			default:
				seen = append(seen, a)
			}
			written = append(written, a)
			if r.IntN(2) == 0 {
				older := row{"chain": chain, "verdict": hash(id), "task": a["task"], "worker": a["worker"], "accepted": true, "mode": "RESULT", "quote": "old", "version": uint64(id)}
				written = append(written, older)
			}
		}
	}
	return written, seen
}

// newestOf is the newest row that fits: by time, then by its place in the log.
func newestOf(rows []row, fits func(row) bool) string {
	var newest row
	for _, r := range rows {
		if fits(r) && (newest == nil || later(r, newest)) {
			newest = r
		}
	}
	if newest == nil {
		return "none"
	}
	return fmt.Sprint(newest["verdict"], newest["accepted"], fmt.Sprintf("0x%x", newest["quote"]))
}

func later(a, b row) bool {
	one, other := as[time.Time](a["judged_at"]), as[time.Time](b["judged_at"])
	return one.After(other) || one.Equal(other) && as[uint64](a["version"]) > as[uint64](b["version"])
}

// A verdict has the attestation that names it; a contribution the newest one that was
// accepted of its task and worker; null where there is none.
func TestAttestations(t *testing.T) {
	conn := newDatabase(t)
	fill(t, conn, 8)
	written, seen := attestationRows(rand.New(rand.NewPCG(8, 0)))
	insert(t, conn, "attestations", written...)
	server := newServer(t, conn)
	answer := get[struct {
		Verdicts, Contributions struct {
			Nodes []struct {
				Chain              uint64
				ID, TaskID, Worker string
				Attestation        *shownAttestation
			}
		}
	}](t, server, `{
		verdicts(first: 1000) { nodes { chain id attestation { verdictId accepted quote } } }
		contributions(first: 1000) { nodes { chain taskId worker attestation { verdictId accepted quote } } }
	}`, nil)
	found := map[bool]int{}
	for _, v := range answer.Verdicts.Nodes {
		want := newestOf(seen, func(r row) bool { return r["chain"] == v.Chain && r["verdict"] == v.ID })
		if got := v.Attestation.words(); got != want {
			t.Errorf("verdict %d %s: got %s, want %s", v.Chain, v.ID, got, want)
		}
		found[v.Attestation != nil]++
	}
	for _, c := range answer.Contributions.Nodes {
		want := newestOf(seen, func(r row) bool {
			return r["accepted"] == true && r["chain"] == c.Chain && r["task"] == c.TaskID && r["worker"] == c.Worker
		})
		if got := c.Attestation.words(); got != want {
			t.Errorf("contribution %d %s %s: got %s, want %s", c.Chain, c.TaskID, c.Worker, got, want)
		}
		found[c.Attestation != nil]++
	}
	if found[true] < 20 || found[false] < 20 {
		t.Fatalf("%v: the test shows nothing", found)
	}
}

// Every field, of an accepted quote and of one that says nothing.
func TestAttestationFields(t *testing.T) {
	conn := newDatabase(t)
	for id, a := range map[int]row{
		1: {
			"accepted": true, "mode": "SESSION", "tee": "SGX", "tcb_status": "SWHardeningNeeded", "platform_status": "UpToDate", "qe_status": "SWHardeningNeeded",
			"module_status": "Unknown", "advisories": []string{"INTEL-SA-00615"}, "mrenclave": "0x01", "mrsigner": "0x02", "product_id": uint32(0), "svn": uint32(4294967295),
			"fmspc": "0x00606a000000", "platform_id": hash(3), "evaluation_number": uint32(17), "collateral_hash": hash(4), "policy_hash": hash(5),
			"not_before": clock(1), "not_after": clock(2), "judged_at": clock(1), "quote": "\x03\x00\xff", "report_data": "0x06",
		},
		2: {"class": "format", "check_name": "structure", "detail": "only \xff3 bytes", "mode": "RESULT", "tcb_status": "Unknown", "judged_at": clock(1)},
	} {
		a["chain"], a["verdict"], a["task"], a["worker"], a["workerpool"], a["version"] = uint64(134), hash(id), hash(9), worker(1), pool(1), uint64(1)
		insert(t, conn, "attestations", a)
		insert(t, conn, "verdicts", row{"chain": uint64(134), "id": hash(id), "outcome": "ACCEPTED", "reason": "OK", "version": uint64(1)})
	}
	server := newServer(t, conn)
	read := func(id int) map[string]any {
		return get[struct {
			Verdict struct{ Attestation map[string]any }
		}](t, server, `query($id: Hash!) { verdict(id: $id) { attestation `+selectionOf("Attestation")+` } }`, map[string]any{"id": hash(id)}).Verdict.Attestation
	}
	same := func(id int, want map[string]any) {
		t.Helper()
		got := read(id)
		for name, value := range want {
			if fmt.Sprint(got[name]) != fmt.Sprint(value) {
				t.Errorf("%d: %s is %v, want %v", id, name, got[name], value)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("%d: not expected: %v", id, got)
		}
	}
	of := func(id int, more map[string]any) map[string]any {
		for name, value := range map[string]any{
			"chain": 134, "verdictId": hash(id), "taskId": hash(9), "worker": worker(1), "workerpoolAddress": pool(1), "judgedAt": "2026-01-01T00:00:01Z",
		} {
			more[name] = value
		}
		return more
	}
	same(1, of(1, map[string]any{
		"accepted": true, "class": nil, "check": nil, "detail": "", "mode": "SESSION", "tee": "SGX", "tcbStatus": "SWHardeningNeeded",
		"platformStatus": "UpToDate", "qeStatus": "SWHardeningNeeded", "moduleStatus": "Unknown", "advisories": []string{"INTEL-SA-00615"},
		"mrenclave": "0x01", "mrsigner": "0x02", "productId": 0, "svn": "4.294967295e+09", "fmspc": "0x00606a000000", "platformId": hash(3), "evaluationNumber": 17,
		"collateralHash": hash(4), "policyHash": hash(5), "notBefore": "2026-01-01T00:00:01Z", "notAfter": "2026-01-01T00:00:02Z", "quote": "0x0300ff", "reportData": "0x06",
	}))
	same(2, of(2, map[string]any{
		"accepted": false, "class": "format", "check": "structure", "detail": "only \ufffd3 bytes", "mode": "RESULT", "tee": nil, "tcbStatus": "Unknown",
		"platformStatus": "Unknown", "qeStatus": "Unknown", "moduleStatus": "Unknown", "advisories": []string{}, "mrenclave": nil, "mrsigner": nil,
		"productId": nil, "svn": nil, "fmspc": nil, "platformId": nil, "evaluationNumber": nil, "collateralHash": nil, "policyHash": nil,
		"notBefore": nil, "notAfter": nil, "quote": "0x", "reportData": nil,
	}))
}

// The API's words are those that the engine writes.
func TestAttestationWords(t *testing.T) {
	var statuses, modes, tees []string
	for status := tcbstatus.UpToDate; status <= tcbstatus.Unknown; status++ {
		statuses = append(statuses, status.String())
	}
	for number := range len(assaypb.Attestation_Mode_name) - 1 {
		modes = append(modes, assaypb.Attestation_Mode_name[int32(number+1)])
	}
	for number := range len(assaypb.Attestation_TEE_name) - 1 {
		tees = append(tees, assaypb.Attestation_TEE_name[int32(number+1)])
	}
	for enum, want := range map[string][]string{"TCBStatus": statuses, "AttestationMode": modes, "TEE": tees} {
		var got []string
		for _, value := range sdl().Types[enum].EnumValues {
			got = append(got, value.Name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", enum, got, want)
		}
	}
}
