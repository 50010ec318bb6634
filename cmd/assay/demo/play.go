package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"assay/cmd/assay/roles"
	"assay/consensus/engine"
	"assay/graphql/analytics"
	"assay/graphql/client"
	"assay/graphql/subgraph"
	"assay/internal/clickhouse"
	"assay/internal/devpki"
	"assay/internal/telemetry"
	"assay/workers"
)

// ErrDifferent says that GraphQL and the contract do not agree on an account, or that the
// ledger's postings do not add up to zero.
var ErrDifferent = errors.New("the indexed accounts differ from the contract's")

// Summary is what the demo ends with.
type Summary struct {
	Reconciled     bool           `json:"reconciled"`
	Differences    int            `json:"differences"`
	Tasks          map[string]int `json:"tasks"`    // by status
	Verdicts       map[string]int `json:"verdicts"` // by outcome
	Reasons        map[string]int `json:"reasons"`  // of the verdicts; OK is an acceptance
	Seconds        float64        `json:"seconds"`
	Accounts       int            `json:"accounts"`
	TasksPerSecond float64        `json:"tasksPerSecond"`
	ChainWait      float64        `json:"chainWait"` // share of the tasks' lives in which they waited for the chain
	Retracted      uint64         `json:"retractedBlocks"`
	Postings       uint64         `json:"postings"`
	LedgerSum      string         `json:"ledgerSum"` // of all postings, nRLC
	Block          uint64         `json:"block"`     // at which the accounts were compared
}

// Run plays the demo. It returns ErrDifferent where one nRLC is not where the contract
// has it.
func Run(ctx context.Context, o Options, log *slog.Logger) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	if o.Packages, err = findPackages(o.Packages); err != nil {
		return err
	}
	listener, err := telemetry.Listen(o.Listen, "listen")
	if err != nil {
		return err
	}
	dir, temporary, err := openFolder(o)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if temporary {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	show := newShow(o.Progress, o.Terminal)
	defer show.close()
	p := &play{options: o, dir: dir, listener: listener, log: log, show: show, who: newCast(o.Seed, o.Workers)}
	return p.run(ctx)
}

// findPackages looks for node_modules from the working directory up.
func findPackages(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		found := filepath.Join(dir, "node_modules")
		if _, err := os.Stat(filepath.Join(found, "@iexec", "poco")); err == nil {
			return found, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the compiled PoCo contracts are not installed: run `make deps` in the repository and start from there")
		}
		dir = parent
	}
}

// play is one run.
type play struct {
	options  Options
	dir      string
	listener net.Listener
	log      *slog.Logger
	show     *show
	who      cast

	world  *world
	market *market
	index  *roles.Index
}

func (p *play) run(ctx context.Context) (err error) {
	p.world, err = open(ctx, p.dir, p.who, p.options.Block, p.log)
	if err != nil {
		return errors.Join(err, p.listener.Close())
	}
	defer func() { err = errors.Join(err, p.world.close()) }()
	p.show.step("chain, Kafka and ClickHouse are up")
	p.market, err = setUp(ctx, p.world, p.who, offers(p.options.Seed, p.options.Tasks), p.options.Packages)
	if err != nil {
		return errors.Join(err, p.listener.Close())
	}
	p.show.step("the PoCo contracts are deployed, %d accounts have deposited", len(p.who.workers)+3)
	group, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err = p.perform(ctx, group, stop)
	stop()
	ended := group.Wait()
	if err != nil {
		return first(ended, err)
	}
	if errors.Is(ended, context.Canceled) {
		return nil
	}
	return ended
}

// first picks the cause among two errors: a role that failed cancels the rest.
func first(role, story error) error {
	if role != nil && !errors.Is(role, context.Canceled) {
		return role
	}
	return story
}

// perform starts the roles and tells the story to its end.
func (p *play) perform(ctx context.Context, group *errgroup.Group, stop func()) error {
	deps := roles.Deps{Preset: p.market.preset(), RPC: p.world.rpc, Kafka: p.world.kafka, Poll: p.options.Block / 4, Log: p.log}
	seen := newWatch()
	if err := p.start(ctx, group, deps, seen); err != nil {
		return err
	}
	url := "http://" + p.listener.Addr().String() + "/graphql"
	api := client.New(url)
	p.show.step("all roles run; GraphQL answers at %s", url)
	started := time.Now()
	story, err := newStory(p.world, p.market, seen, api, p.index.Source.Status, p.show)
	if err != nil {
		return err
	}
	if err := story.tell(ctx); err != nil {
		return err
	}
	took := time.Since(started)
	if err := caughtUp(ctx, p.world, api); err != nil {
		return err
	}
	summary, err := p.close(ctx, api, seen, story.tasks, took)
	if err != nil {
		return err
	}
	if !summary.Reconciled {
		return fmt.Errorf("%d of %d, postings add up to %s nRLC: %w", summary.Differences, summary.Accounts, summary.LedgerSum, ErrDifferent)
	}
	if !p.options.Exit {
		fmt.Fprintf(p.options.Progress, "The API stays up at %s (open it in a browser for GraphiQL). Ctrl-C ends it.\n", url) //nolint:errcheck // progress
		<-ctx.Done()
	}
	stop()
	return nil
}

// start prepares the logs and the database and runs every role.
func (p *play) start(ctx context.Context, group *errgroup.Group, deps roles.Deps, seen *watch) error {
	if _, err := deps.CheckChain(ctx); err != nil {
		return err
	}
	if err := deps.CreateTopics(ctx); err != nil {
		return err
	}
	if err := roles.Migrate(ctx, p.world.database, ""); err != nil {
		return err
	}
	db, err := clickhouse.Open(ctx, p.world.database)
	if err != nil {
		return err
	}
	agents, err := p.agents()
	if err != nil {
		return err
	}
	fleet, err := deps.NewFleet(agents)
	if err != nil {
		return err
	}
	p.index = deps.NewIndex(db)
	pool, err := deps.NewPool(p.pools(), nil)
	if err != nil {
		return err
	}
	subgraphs, err := subgraph.Site(p.log)
	if err != nil {
		return err
	}
	reading := p.world.database
	reading.ReadOnly = true
	readonly, err := clickhouse.Open(ctx, reading)
	if err != nil {
		return err
	}
	group.Go(func() error { return p.index.Run(ctx) })
	group.Go(func() error { return pool.Run(ctx) })
	group.Go(func() error { return fleet.Run(ctx) })
	group.Go(func() error { return seen.run(ctx, deps.Kafka, deps.Topics().Decisions) })
	group.Go(func() error {
		return analytics.Serve(ctx, p.listener, analytics.Config{Database: readonly, Log: p.log, Metrics: telemetry.NewRegistry(), Beside: subgraphs})
	})
	group.Go(func() error { return p.engineLives(ctx) })
	return nil
}

// engineLives fails when the database's process ends.
func (p *play) engineLives(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.world.engine.Done():
		return fmt.Errorf("the ClickHouse engine stopped: %w", p.world.engine.Err())
	}
}

func (p *play) pools() []engine.Pool {
	pools := make([]engine.Pool, len(p.who.poolOwners))
	for i, owner := range p.who.poolOwners {
		pools[i] = engine.Pool{Address: p.market.resources.pools[i], Owner: owner.key}
	}
	return pools
}

func (p *play) agents() ([]workers.Agent, error) {
	agents := make([]workers.Agent, len(p.who.workers))
	for i, worker := range p.who.workers {
		enclave, err := worker.enclaveFor()
		if err != nil {
			return nil, fmt.Errorf("making the enclave of %s: %w", worker.address, err)
		}
		agents[i] = workers.Agent{
			Key:        worker.key,
			Workerpool: p.market.resources.pools[worker.pool],
			Slots:      worker.slots,
			Behaviour:  worker.behaviour,
			Enclave:    enclave,
			Session:    worker.enclave == quotesSessions,
		}
	}
	return agents, nil
}

// enclaveFor puts a worker's enclave on a development machine of its own; nil: it has none.
func (h hand) enclaveFor() (*workers.Enclave, error) {
	switch h.enclave {
	case noEnclave:
		return nil, nil
	case forged:
		return roles.DevEnclave(h.key, func(e *devpki.Enclave) { e.MREnclave[0] ^= 1 })
	}
	return roles.DevEnclave(h.key, nil)
}

// close compares, prints the table and the summary.
func (p *play) close(ctx context.Context, api *client.Client, seen *watch, tasks uint64, took time.Duration) (Summary, error) {
	statements, err := reconcile(ctx, p.world, p.market, api)
	if err != nil {
		return Summary{}, err
	}
	summary := Summary{
		Differences:    differences(statements),
		Accounts:       len(statements),
		Seconds:        time.Since(p.show.start).Seconds(),
		TasksPerSecond: float64(tasks) / took.Seconds(),
		ChainWait:      seen.waiting(),
		Retracted:      p.index.Source.Status().Retracted,
	}
	postings, sum, err := balance(ctx, api)
	if err != nil {
		return summary, err
	}
	summary.Postings, summary.LedgerSum = postings, sum.String()
	summary.Reconciled = summary.Differences == 0 && sum.Sign() == 0
	if err := count(ctx, api, &summary); err != nil {
		return summary, err
	}
	p.show.close()
	return summary, p.print(statements, summary)
}

func count(ctx context.Context, api *client.Client, summary *Summary) (err error) {
	if summary.Block, err = indexed(ctx, api); err != nil {
		return err
	}
	tasks, err := api.TaskCounts(ctx, chainID)
	if err != nil {
		return err
	}
	summary.Tasks = make(map[string]int)
	for status, n := range tasks {
		summary.Tasks[status] = int(n)
	}
	verdicts, err := api.VerdictCounts(ctx, chainID)
	if err != nil {
		return err
	}
	summary.Verdicts, summary.Reasons = make(map[string]int), make(map[string]int)
	for _, verdict := range verdicts {
		summary.Verdicts[verdict.Outcome] += int(verdict.Count)
		summary.Reasons[verdict.Reason] += int(verdict.Count)
	}
	return nil
}

func (p *play) print(statements []statement, summary Summary) error {
	out := p.options.Out
	verdict := fmt.Sprintf("every account is as the contract has it, to the nRLC, and %d postings add up to 0", summary.Postings)
	if !summary.Reconciled {
		verdict = fmt.Sprintf("%d accounts DIFFER from the contract, and %d postings add up to %s nRLC", summary.Differences, summary.Postings, summary.LedgerSum)
	}
	_, err := fmt.Fprintf(out, "%s\n%d tasks in %.1f s, %.1f tasks/s, of which %.0f %% waiting for the chain; tasks %v; verdicts %v, of which %v\nAt block %d %s.\n",
		render(statements), total(summary.Tasks), summary.Seconds, summary.TasksPerSecond, summary.ChainWait*100,
		summary.Tasks, summary.Verdicts, summary.Reasons, summary.Block, verdict)
	if err != nil || !p.options.JSON {
		return err
	}
	return printJSON(out, summary)
}

func printJSON(out io.Writer, summary Summary) error {
	line, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(line))
	return err
}

func total(counts map[string]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
