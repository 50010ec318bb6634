package analytics

import (
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// rightsWorld is two chains whose every block changes who may use which data. After each block
// all is kept that there is, to be looked through in memory.
type rightsWorld struct {
	conn    driver.Conn
	random  *rand.Rand
	version uint64
	at      map[uint64][]rights // by chain, after each block
}

type rights struct {
	time       int64
	owners     map[string]string   // of datasets
	orders     map[string]promise  // by hash
	lists      map[string][]string // of each app, the whitelists that it is on
	whitelists map[string]string   // of datasets
	shared     map[string]string   // of datasets that subscribers may use, the collection
	rentals    []bought
	subscribed []bought
}

type promise struct {
	dataset              string
	whole, closed        bool
	app, pool, requester string
	volume, consumed     int64 // volume -1: not known
	signers              []string
	known                int64
}

type bought struct {
	id, what, who string // what: a dataset, or a collection
	made, ends    int64
}

func (r rights) clone() rights {
	return rights{
		r.time, maps.Clone(r.owners), maps.Clone(r.orders), maps.Clone(r.lists), maps.Clone(r.whitelists), maps.Clone(r.shared),
		slices.Clone(r.rentals), slices.Clone(r.subscribed),
	}
}

var (
	rightsApps  = []string{app(0), app(1), app(2)}
	rightsPools = []string{pool(0), pool(1)}
	rightsLists = []string{address(0xe00), address(0xe01)}
	rightsData  = []string{address(0xf00), address(0xf01), address(0xf02)}
	people      = []string{requester(0), requester(1), requester(2)}
	gatherings  = []string{"1", "2"}
)

func newRights(conn driver.Conn, seed uint64) *rightsWorld {
	w := &rightsWorld{conn: conn, random: rand.New(rand.NewPCG(seed, 3)), at: map[uint64][]rights{}}
	for _, chain := range chains[:2] {
		w.at[chain] = []rights{{start.Unix(), map[string]string{}, map[string]promise{}, map[string][]string{}, map[string]string{}, map[string]string{}, nil, nil}}
	}
	return w
}

// block adds a block with some changes.
func (w *rightsWorld) block(t testing.TB, chain uint64) {
	number := uint64(len(w.at[chain]))
	now := w.at[chain][number-1].clone()
	now.time += 1 + w.random.Int64N(20)
	w.version++
	put := func(table string, r row) {
		r["chain"], r["version"] = chain, w.version
		r["block_number"] = number
		insert(t, w.conn, table, r)
	}
	insert(t, w.conn, "blocks", row{"chain": chain, "number": number, "hash": hash(int(number)), "time": time.Unix(now.time, 0), "version": w.version})
	for i := range 4 {
		w.change(&now, put, fmt.Sprintf("%s%d", hash(int(number)), i))
	}
	w.at[chain] = append(w.at[chain], now)
	insert(t, w.conn, "heads", row{"chain": chain, "head_number": number, "head_hash": hash(int(number)), "head_time": time.Unix(now.time, 0), "version": w.version})
}

func (w *rightsWorld) change(now *rights, put func(string, row), id string) {
	data := oneOf(w.random, rightsData)
	switch w.random.IntN(8) {
	case 0:
		now.owners[data] = oneOf(w.random, people)
		put("resources", row{"kind": "DATASET", "address": data, "owner": now.owners[data], "registered_at": start})
	case 1:
		listed := oneOf(w.random, rightsApps)
		now.lists[listed] = append(slices.Clone(now.lists[listed]), oneOf(w.random, rightsLists))
		put("dataprotector_app", row{"id": listed, "addOnlyAppWhitelists": now.lists[listed]})
	case 2:
		now.whitelists[data] = oneOf(w.random, rightsLists)
		put("dataset_whitelists", row{"id": data, "whitelist": now.whitelists[data]})
	case 3:
		collection, included := oneOf(w.random, gatherings), w.random.IntN(4) > 0
		delete(now.shared, data)
		if included {
			now.shared[data] = collection
		}
		put("dataprotector_protected_data", row{"id": data, "collection": &collection, "isIncludedInSubscription": &included})
	case 4:
		b := bought{id, data, oneOf(w.random, people), now.time, now.time + w.random.Int64N(60)}
		now.rentals = append(now.rentals, b)
		put("dataprotector_rental", row{"id": id, "protectedData": b.what, "renter": b.who, "creationTimestamp": uint64(b.made), "endDate": uint64(b.ends), "collection": "1"})
	case 5:
		b := bought{id, oneOf(w.random, gatherings), oneOf(w.random, people), now.time, now.time + w.random.Int64N(60)}
		now.subscribed = append(now.subscribed, b)
		put("dataprotector_collection_subscription", row{"id": id, "collection": b.what, "subscriber": b.who, "creationTimestamp": uint64(b.made), "endDate": uint64(b.ends)})
	default:
		w.order(now, put, data)
	}
}

// order makes an order, or changes one.
func (w *rightsWorld) order(now *rights, put func(string, row), data string) {
	id := hash(w.random.IntN(8))
	o, known := now.orders[id]
	if !known {
		o = promise{dataset: data, volume: -1, known: now.time}
	}
	one := func(values []string) string { return oneOf(w.random, append([]string{zeroAddress}, values...)) }
	switch w.random.IntN(6) {
	case 0:
		o.consumed++
	case 1:
		o.closed = w.random.IntN(3) == 0
	case 2:
		o.signers = append(slices.Clone(o.signers), oneOf(w.random, people))
	default:
		if !o.whole {
			o.whole, o.volume = true, w.random.Int64N(4)
			o.app, o.pool, o.requester = one(append(rightsApps, rightsLists...)), one(rightsPools), one(append(people, rightsLists[0]))
		}
		o.signers = append(slices.Clone(o.signers), oneOf(w.random, people))
	}
	now.orders[id] = o
	r := row{"id": id, "dataset": o.dataset, "consumed": big.NewInt(o.consumed), "closed": o.closed, "signers": o.signers, "sources": []string{"SIGNED"}, "known_at": uint64(o.known)}
	var none *string
	r["volume"], r["price"], r["app_restrict"], r["workerpool_restrict"], r["requester_restrict"] = (*big.Int)(nil), (*big.Int)(nil), none, none, none
	if o.whole {
		r["volume"], r["price"], r["app_restrict"], r["workerpool_restrict"], r["requester_restrict"] = big.NewInt(o.volume), big.NewInt(7), &o.app, &o.pool, &o.requester
	}
	put("dataset_orders", r)
}

// right is a permission as it should be told.
type right struct {
	chain                     uint64
	id, dataset, kind         string
	app, pool, requester      string // empty: not known
	known                     int64
	active, remaining, closes string
}

func (r right) String() string {
	return fmt.Sprint(r.chain, " ", r.kind, " ", r.dataset, " ", r.id, " app ", r.app, " pool ", r.pool, " requester ", r.requester, " ", r.known, " ", r.active, " ", r.remaining, " ", r.closes)
}

// all looks through everything.
func (r rights) all(chain uint64) (found []right) {
	for id, o := range r.orders {
		p := right{chain: chain, id: id, dataset: o.dataset, kind: "ORDER", app: o.app, pool: o.pool, requester: o.requester, known: o.known, active: "true", remaining: "null", closes: "null"}
		if o.whole {
			p.remaining = fmt.Sprint(max(0, o.volume-o.consumed))
		}
		switch {
		case o.closed, o.whole && o.consumed >= o.volume, len(o.signers) > 0 && !slices.Contains(o.signers, r.owners[o.dataset]):
			p.active = "false"
		case !o.whole || len(o.signers) == 0:
			p.active = "null"
		}
		found = append(found, p)
	}
	holds := func(kind, data string, b bought) {
		found = append(found, right{chain, b.id, data, kind, r.whitelists[data], zeroAddress, b.who, b.made, fmt.Sprint(b.ends >= r.time), "null", fmt.Sprint(b.ends)})
	}
	for _, b := range newest(r.rentals) {
		holds("RENTAL", b.what, b)
	}
	for _, b := range newest(r.subscribed) {
		for data, collection := range r.shared {
			if collection == b.what {
				holds("SUBSCRIPTION", data, b)
			}
		}
	}
	return found
}

// newest keeps the last of each account.
func newest(all []bought) map[string]bought {
	last := make(map[string]bought)
	for _, b := range all {
		last[b.what+b.who] = b
	}
	return last
}

// lets says whether a restriction lets an address, if one is asked for.
func (r rights) lets(restriction, asked string) bool {
	return asked == "" || restriction == zeroAddress || restriction == asked || restriction != "" && slices.Contains(r.lists[asked], restriction)
}

type rightsAnswer struct {
	Nodes []struct {
		Chain                      uint64
		DatasetAddress             string
		Kind                       string
		ID                         string `json:"orderHash"`
		App, Workerpool, Requester struct {
			Kind    string
			Address *string
		}
		Active    *bool
		Remaining *string
		Since     time.Time
		Until     *time.Time
	}
	TotalCount int
	PageInfo   struct {
		HasNextPage bool
		EndCursor   *string
	}
}

func (a rightsAnswer) rights() []string {
	var told []string
	for _, n := range a.Nodes {
		r := right{chain: n.Chain, id: n.ID, dataset: n.DatasetAddress, kind: n.Kind, known: n.Since.Unix(), active: "null", remaining: "null", closes: "null"}
		for _, side := range []struct {
			kind string
			at   *string
			to   *string
		}{{n.App.Kind, n.App.Address, &r.app}, {n.Workerpool.Kind, n.Workerpool.Address, &r.pool}, {n.Requester.Kind, n.Requester.Address, &r.requester}} {
			switch {
			case side.kind == "ANY":
				*side.to = zeroAddress
			case side.at != nil:
				*side.to = *side.at
			}
			if (side.kind == "WHITELIST") != slices.Contains(rightsLists, *side.to) {
				*side.to += " told as " + side.kind
			}
		}
		if n.Active != nil {
			r.active = fmt.Sprint(*n.Active)
		}
		if n.Remaining != nil {
			r.remaining = *n.Remaining
		}
		if n.Until != nil {
			r.closes = fmt.Sprint(n.Until.Unix())
		}
		told = append(told, r.String())
	}
	return told
}

const rightsFields = `{ nodes { chain datasetAddress kind orderHash app { kind address } workerpool { kind address } requester { kind address } active remaining since until }
	totalCount pageInfo { hasNextPage endCursor } }`

// enquiry is a question about permissions.
type enquiry struct {
	chain                      uint64 // 0: all
	dataset                    string // empty, here and below: any
	app, requester, workerpool string
	active                     string
	asOf                       uint64 // 0: now
}

func (a enquiry) passes(r rights, p right) bool {
	return (a.chain == 0 || a.chain == p.chain) && (a.dataset == "" || a.dataset == p.dataset) && (a.active == "" || a.active == p.active) &&
		r.lets(p.app, a.app) && r.lets(p.pool, a.workerpool) && r.lets(p.requester, a.requester)
}

// want is the answer by a look at everything.
func (w *rightsWorld) want(a enquiry) []string {
	var found []right
	for chain, states := range w.at {
		number := uint64(len(states) - 1)
		if a.asOf > 0 {
			if chain != a.chain {
				continue
			}
			number = a.asOf
		}
		for _, p := range states[number].all(chain) {
			if a.passes(states[number], p) {
				found = append(found, p)
			}
		}
	}
	slices.SortFunc(found, func(x, y right) int {
		rank := func(r right) string { return fmt.Sprintf("%020d %020d %s %s", r.known, r.chain, r.id, r.dataset) }
		return strings.Compare(rank(y), rank(x))
	})
	told := []string{}
	for _, p := range found {
		if p.kind != "ORDER" {
			p.id = ""
		}
		told = append(told, p.String())
	}
	return told
}

func (w *rightsWorld) draw(nested bool) enquiry {
	maybe := func(values []string) string {
		if w.random.IntN(3) > 0 {
			return ""
		}
		return oneOf(w.random, values)
	}
	a := enquiry{app: maybe(rightsApps), requester: maybe(people), workerpool: maybe(rightsPools), active: maybe([]string{"true", "false"}), dataset: maybe(rightsData)}
	if w.random.IntN(2) == 0 || nested {
		a.chain = chains[w.random.IntN(2)]
	}
	if nested {
		a.dataset = oneOf(w.random, rightsData)
	}
	if a.chain > 0 && w.random.IntN(2) == 0 {
		a.asOf = 1 + w.random.Uint64N(uint64(len(w.at[a.chain])-1))
	}
	return a
}

func given(values map[string]any) map[string]any {
	maps.DeleteFunc(values, func(_ string, value any) bool { return value == "" || value == uint64(0) })
	return values
}

// ask reads all pages of the answer.
func (a enquiry) ask(t testing.TB, server *httptest.Server) (told []string) {
	variables := given(map[string]any{"chain": a.chain, "dataset": a.dataset, "app": a.app, "requester": a.requester, "workerpool": a.workerpool})
	if a.active != "" {
		variables["active"] = a.active == "true"
	}
	if a.asOf > 0 {
		variables["asOf"] = map[string]any{"chain": a.chain, "block": a.asOf}
	}
	for {
		page := get[struct{ Permissions rightsAnswer }](t, server, `query($chain: Uint64, $dataset: Address, $app: Address, $requester: Address, $workerpool: Address, $active: Boolean, $asOf: AsOf, $after: Cursor) {
			permissions(first: 7, after: $after, asOf: $asOf, filter: {chain: $chain, dataset: $dataset, app: $app, requester: $requester, workerpool: $workerpool, active: $active}) `+rightsFields+` }`, variables).Permissions
		told = append(told, page.rights()...)
		if !page.PageInfo.HasNextPage {
			if page.TotalCount != len(told) {
				t.Errorf("%+v: %d rows, totalCount %d", a, len(told), page.TotalCount)
			}
			return told
		}
		variables["after"] = *page.PageInfo.EndCursor
	}
}

// askMayUse and askDataset ask the same of the other fields.
func (a enquiry) askMayUse(t testing.TB, server *httptest.Server) []string {
	variables := given(map[string]any{"chain": a.chain, "app": a.app, "requester": a.requester, "workerpool": a.workerpool})
	return get[struct{ MayUse rightsAnswer }](t, server, `query($chain: Uint64, $app: Address, $requester: Address, $workerpool: Address) {
		mayUse(first: 1000, chain: $chain, app: $app, requester: $requester, workerpool: $workerpool) `+rightsFields+` }`, variables).MayUse.rights()
}

func (a enquiry) askDataset(t testing.TB, server *httptest.Server) []string {
	variables := given(map[string]any{"chain": a.chain, "dataset": a.dataset, "app": a.app, "requester": a.requester, "workerpool": a.workerpool})
	if a.active != "" {
		variables["active"] = a.active == "true"
	}
	if a.asOf > 0 {
		variables["asOf"] = map[string]any{"chain": a.chain, "block": a.asOf}
	}
	return get[struct {
		Dataset struct{ Permissions rightsAnswer }
	}](t, server, `query($chain: Uint64, $dataset: Address!, $app: Address, $requester: Address, $workerpool: Address, $active: Boolean, $asOf: AsOf) {
		dataset(address: $dataset, chain: $chain) { permissions(first: 1000, asOf: $asOf, app: $app, requester: $requester, workerpool: $workerpool, active: $active) `+rightsFields+` } }`, variables).Dataset.Permissions.rights()
}

// Who may use which data, now and at every earlier block, is what a look at every order,
// rental, subscription, list and owner says.
func TestPermissions(t *testing.T) {
	conn := newDatabase(t)
	w := newRights(conn, 1)
	for _, chain := range chains[:2] {
		for _, data := range rightsData { // or there is no dataset to ask
			insert(t, conn, "resources", row{"chain": chain, "kind": "DATASET", "address": data, "owner": "", "registered_at": start, "block_number": uint64(0), "version": uint64(0)})
		}
		for _, list := range rightsLists {
			insert(t, conn, "dataprotector_add_only_app_whitelist", row{"chain": chain, "id": list, "version": uint64(1)})
		}
	}
	for range 16 {
		w.block(t, chains[0])
		w.block(t, chains[1])
	}
	server := newServer(t, conn)
	compare := func(name string, a enquiry, got []string) int {
		t.Helper()
		if want := w.want(a); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s %+v:\n got %s\nwant %s", name, a, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		return len(got)
	}
	seen := compare("all", enquiry{}, enquiry{}.ask(t, server))
	if seen < 15 {
		t.Errorf("only %d permissions: the test shows little", seen)
	}
	for range 12 {
		a := w.draw(false)
		compare("permissions", a, a.ask(t, server))
		a = w.draw(true)
		compare("of a dataset", a, a.askDataset(t, server))
		a = w.draw(false)
		a.dataset, a.active, a.asOf = "", "true", 0
		compare("may use", a, a.askMayUse(t, server))
	}
	if code, _ := failing(t, server, `{ dataset(address: "`+rightsData[0]+`", chain: 7) { permissions(asOf: {chain: 134, block: 1}) { totalCount } } }`, nil); code != codeInput {
		t.Errorf("as of a block of another chain: %s", code)
	}
}

// How data is shared is what its collection and its terms say, and what is not offered has none.
func TestSharing(t *testing.T) {
	conn := newDatabase(t)
	yes, no, one := true, false, "1"
	insert(t, conn, "heads", headRow(7, 9))
	for i, r := range []row{
		{"collection": &one, "isIncludedInSubscription": &yes, "isRentable": &yes, "isForSale": &no},
		{"collection": &one, "isIncludedInSubscription": &no, "isRentable": &no, "isForSale": &yes},
		{"collection": (*string)(nil), "isIncludedInSubscription": &no, "isRentable": &no, "isForSale": &no},
	} {
		r["chain"], r["id"], r["version"] = uint64(7), rightsData[i], uint64(1)
		insert(t, conn, "dataprotector_protected_data", r)
		insert(t, conn, "resources", row{"chain": uint64(7), "kind": "DATASET", "address": rightsData[i], "registered_at": clock(3 - i), "version": uint64(1)})
		for _, table := range []string{"dataprotector_rental_param", "dataprotector_sale_param"} {
			insert(t, conn, table, row{"chain": uint64(7), "id": rightsData[i], "price": big.NewInt(int64(30 + i)), "version": uint64(1)})
		}
	}
	insert(t, conn, "dataprotector_collection", row{"chain": uint64(7), "id": "1", "owner": people[0], "subscriptionParams": &one, "version": uint64(1)})
	insert(t, conn, "dataprotector_subscription_param", row{"chain": uint64(7), "id": "1", "price": big.NewInt(5), "duration": uint64(60), "version": uint64(1)})
	insert(t, conn, "dataset_whitelists", row{"chain": uint64(7), "id": rightsData[0], "whitelist": rightsLists[0], "version": uint64(1)})
	insert(t, conn, "dataprotector_app", row{"chain": uint64(7), "id": app(1), "addOnlyAppWhitelists": rightsLists[:1], "version": uint64(1)})
	insert(t, conn, "resources", row{"chain": uint64(7), "kind": "APP", "address": app(1), "version": uint64(1)}, row{"chain": uint64(7), "kind": "APP", "address": app(2), "version": uint64(1)})
	insert(t, conn, "dataprotector_sale", row{"chain": uint64(7), "id": hash(1) + "3", "buyer": people[1], "protectedData": rightsData[2], "creationTimestamp": uint64(clock(4).Unix()), "collection": "1", "transactionHash": hash(1), "version": uint64(1)})
	r := ask(t, newServer(t, conn), `query($list: Address) { datasets { nodes { sharing { collection collectionOwner whitelist inSubscription subscriptionPrice subscriptionDuration rentalPrice rentalDuration salePrice }
		sales { nodes { buyer collection time txHash } totalCount } } } apps(filter: {whitelist: $list}) { nodes { address } totalCount } }`, map[string]any{"list": rightsLists[0]})
	want := `{"datasets":{"nodes":[` +
		`{"sharing":{"collection":"1","collectionOwner":"` + people[0] + `","whitelist":"` + rightsLists[0] + `","inSubscription":true,"subscriptionPrice":"5","subscriptionDuration":60,"rentalPrice":"30","rentalDuration":0,"salePrice":null},"sales":{"nodes":[],"totalCount":0}},` +
		`{"sharing":{"collection":"1","collectionOwner":"` + people[0] + `","whitelist":null,"inSubscription":false,"subscriptionPrice":"5","subscriptionDuration":60,"rentalPrice":null,"rentalDuration":null,"salePrice":"31"},"sales":{"nodes":[],"totalCount":0}},` +
		`{"sharing":null,"sales":{"nodes":[{"buyer":"` + people[1] + `","collection":"1","time":"2026-01-01T00:00:04Z","txHash":"` + hash(1) + `"}],"totalCount":1}}]},` +
		`"apps":{"nodes":[{"address":"` + app(1) + `"}],"totalCount":1}}`
	if string(r.Data) != want {
		t.Errorf("got %s %v\nwant %s", r.Data, r.Errors, want)
	}
}
