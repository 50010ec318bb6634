package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/cmd/assay/roles"
	"assay/contracts"
	"assay/contracts/deploy"
	"assay/internal/clickhouse"
	"assay/internal/devchain"
	"assay/internal/kafka"
	"assay/schema/chains"
)

func TestMain(m *testing.M) {
	clickhouse.ChildMain()
	processMain()
	benchMain()
	os.Exit(m.Run())
}

const packages = "../../../node_modules"

// servers are what the roles are pointed at.
type servers struct {
	testing.TB
	dir    string
	node   *devchain.Chain
	config devchain.Config
	rpc    *rpc.Client
	wallet *contracts.Wallet
	common []string // flags of every role
	chain  []string // flags of the roles that work on the chain
	deploy.Deployment
}

// key deploys, sells the app and asks for work.
var key, _ = crypto.ToECDSA(crypto.Keccak256([]byte("assay cli test")))

func start3(t *testing.T) *servers {
	t.Helper()
	if _, err := os.Stat(filepath.Join(packages, "@iexec", "poco")); err != nil {
		t.Skip("run `make deps` first: ", err)
	}
	s := &servers{TB: t, dir: t.TempDir()}
	coins := new(big.Int).Exp(big.NewInt(10), big.NewInt(24), nil)
	account := crypto.PubkeyToAddress(key.PublicKey)
	s.config = devchain.Config{
		Dir: filepath.Join(s.dir, "chain"), ChainID: 1337, Period: 200 * time.Millisecond, Alloc: map[common.Address]*big.Int{account: coins},
	}
	chain, err := devchain.Start(s.config)
	s.ok(err)
	s.node = chain
	t.Cleanup(func() { s.ok(s.node.Close()) })
	broker, err := kafka.StartBroker(filepath.Join(s.dir, "kafka"), 0)
	s.ok(err)
	t.Cleanup(func() { s.ok(broker.Close()) })
	engine, err := clickhouse.StartEngine(t.Context(), filepath.Join(s.dir, "clickhouse"))
	s.ok(err)
	t.Cleanup(func() { s.ok(engine.Close()) })
	s.rpc, err = rpc.Dial(chain.HTTPURL())
	s.ok(err)
	t.Cleanup(s.rpc.Close)
	s.wallet = contracts.NewWallet(s.rpc, key, 1337)
	for i, name := range []string{"key", "pool", "worker"} {
		own := key
		if i > 0 {
			own, err = crypto.ToECDSA(crypto.Keccak256([]byte("assay cli test, " + name)))
			s.ok(err)
		}
		s.ok(os.WriteFile(s.file(name), []byte(hex.EncodeToString(crypto.FromECDSA(own))), 0o600))
	}
	s.command("chain", "deploy", "--rpc", chain.HTTPURL(), "--key-file", s.file("key"), "--packages", packages, "--out", s.file("chain.json"),
		"--pool-key-file", s.file("pool"), "--worker-key-file", s.file("worker"))
	s.Deployment, err = deploy.Deploy(t.Context(), deploy.Config{Client: s.rpc, Key: key, Packages: packages})
	s.ok(err)
	s.common = []string{"--clickhouse", "unix:" + engine.Config("").Socket, "--clickhouse-database", "assay"}
	s.chain = []string{"--chain", s.file("chain.json"), "--rpc", chain.WSURL(), "--kafka", broker.Addr()}
	return s
}

func (s *servers) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *servers) file(name string) string { return filepath.Join(s.dir, name) }

// command runs a command to its end and returns what it printed.
func (s *servers) command(arguments ...string) string {
	s.Helper()
	root := New()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(arguments)
	if err := root.ExecuteContext(s.Context()); err != nil {
		s.Fatalf("assay %s: %v", strings.Join(arguments, " "), err)
	}
	return out.String()
}

// role runs a role until the test ends; it must end well when it is told to.
func (s *servers) role(arguments ...string) {
	s.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		root := New()
		root.SetArgs(arguments)
		ended <- report(ctx, root.ExecuteContext(ctx), &stderr)
	}()
	s.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			s.Errorf("assay %s: exit %d: %s", arguments[0], code, &stderr)
		}
	})
}

// free is an address that nobody listens on.
func (s *servers) free() string {
	s.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.ok(err)
	defer func() { s.ok(listener.Close()) }()
	return listener.Addr().String()
}

// until asks until the answer is yes.
func (s *servers) until(what string, happened func() bool) {
	s.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !happened() {
		if time.Now().After(deadline) {
			s.Fatalf("it never came about that %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// deal matches orders of the app with the pool that was furnished, after a deposit.
func (s *servers) deal() (task common.Hash) {
	s.Helper()
	s.ok(deploy.Deposit(s.Context(), s.wallet, s.Deployment, big.NewInt(1e12)))
	task, err := s.match(s.Context(), s.app(), 0)
	s.ok(err)
	return task
}

// app registers an app of development enclaves.
func (s *servers) app() common.Address {
	s.Helper()
	app, err := deploy.RegisterApp(s.Context(), contracts.NewClient(s.rpc, s.Hub), s.wallet, s.AppRegistry, contracts.App{
		Name: "numbers", Type: "DOCKER", MREnclave: []byte(roles.DevMeasurement),
	})
	s.ok(err)
	return app
}

// match signs and matches orders that ask for one task in an enclave; salt tells them from
// those before.
func (s *servers) match(ctx context.Context, app common.Address, salt int64) (task common.Hash, err error) {
	pool, owner := s.pool()
	domain, unlike := contracts.Domain{ChainID: 1337, Hub: s.Hub}, common.BigToHash(big.NewInt(salt))
	one, tag := big.NewInt(1), common.Hash{31: 3}
	appOrder, err := contracts.AppOrder{App: app, Volume: one, Tag: tag, Salt: unlike}.Signed(domain, key)
	if err != nil {
		return task, err
	}
	poolOrder, err := contracts.WorkerpoolOrder{
		Workerpool: pool, Workerpoolprice: big.NewInt(1e9), Volume: one, Trust: one, Tag: tag, Salt: unlike,
	}.Signed(domain, owner)
	if err != nil {
		return task, err
	}
	request, err := contracts.RequestOrder{
		App: app, Workerpool: pool, Workerpoolmaxprice: big.NewInt(1e9), Requester: s.wallet.Address(), Volume: one, Trust: one,
		Tag: tag, Params: `{"cmd":"primes","n":1000}`, Salt: unlike,
	}.Signed(domain, key)
	if err != nil {
		return task, err
	}
	_, err = s.wallet.Send(ctx, contracts.Call{To: s.Hub, Data: contracts.MatchOrdersCall(appOrder, contracts.DatasetOrder{}, poolOrder, request)})
	return contracts.TaskID(contracts.DealID(request.Hash(domain), common.Big0), 0), err
}

// pool is the workerpool of the preset, and its owner's key.
func (s *servers) pool() (common.Address, *ecdsa.PrivateKey) {
	s.Helper()
	data, err := os.ReadFile(s.file("chain.json"))
	s.ok(err)
	preset, err := chains.Parse(data)
	s.ok(err)
	if len(preset.Workerpools) != 1 {
		s.Fatalf("the preset names the workerpools %v, want one", preset.Workerpools)
	}
	owner, err := Config{KeyFile: s.file("pool")}.key()
	s.ok(err)
	return common.HexToAddress(preset.Workerpools[0]), owner
}

// completed asks GraphQL whether a task has ended well.
func (s *servers) completed(api string, task common.Hash) bool {
	s.Helper()
	body, err := json.Marshal(map[string]string{"query": `{task(id:"` + task.Hex() + `"){status}}`})
	s.ok(err)
	response, err := http.Post("http://"+api+"/graphql", "application/json", bytes.NewReader(body)) //nolint:noctx // our own server
	if err != nil {
		return false // it is not up yet
	}
	defer func() { s.ok(response.Body.Close()) }()
	answer, err := io.ReadAll(response.Body)
	s.ok(err)
	return strings.Contains(string(answer), `"COMPLETED"`)
}

// TestRolesApart runs each role as its own command, with nothing in common but addresses:
// they settle a deal that asks for an enclave, and GraphQL tells of it.
func TestRolesApart(t *testing.T) {
	s := start3(t)
	task := s.deal()
	s.command(append([]string{"migrate"}, s.common...)...)
	api, metrics, poolMetrics := s.free(), s.free(), s.free()
	s.ok(os.WriteFile(s.file("policy.yaml"), []byte("version: 1\nplatform_weight: 2\n"), 0o600))
	s.role(append(append([]string{"index", "--metrics", metrics}, s.common...), s.chain...)...)
	s.role(append([]string{"serve", "--listen", api}, s.common...)...)
	worker := s.free()
	s.role(append([]string{"pool", "--metrics", poolMetrics, "--key-file", s.file("pool"), "--policy", s.file("policy.yaml")}, s.chain...)...)
	s.role(append([]string{"worker", "--metrics", worker, "--key-file", s.file("worker"), "--quote-mode", "session"}, s.chain...)...)
	s.until("the task is completed, and served so", func() bool { return s.completed(api, task) })
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		s.command("health", "http://"+metrics+path)
		s.command("health", "http://"+api+path)
		s.command("health", "http://"+poolMetrics+path)
		s.command("health", "http://"+worker+path)
	}
	if text := s.get("http://" + poolMetrics + "/metrics"); !strings.Contains(text, `assay_collateral_left_seconds{ca="Intel SGX PCK Platform CA",`) {
		s.Errorf("the pool does not show how long collateral lasts: %s", text)
	}
}

func (s *servers) get(url string) string {
	s.Helper()
	response, err := http.Get(url) //nolint:noctx // our own server
	s.ok(err)
	defer func() { s.ok(response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	s.ok(err)
	return string(text)
}
