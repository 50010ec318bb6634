package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sync/errgroup"

	"assay/workers"
)

// study is one run of everything.
type study struct {
	dir   string
	seed  uint64
	tasks int // per point, for newcomers
	lives int // per curve, for fleets
}

func (s study) run() error {
	for _, part := range []func() error{s.byTrust, s.byShare, s.byCost, s.overTime, s.calibration, s.money} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// point is one simulated probability with its place on a figure.
type point struct {
	trust uint64
	share float64
	liars conduct
	tally
}

// simulate fills in the points, as many at once as there are processors.
func (s study) simulate(first uint64, points []point) error {
	group := errgroup.Group{}
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range points {
		group.Go(func() (err error) {
			p := &points[i]
			p.tally, err = newcomers(s.seed, first+uint64(i), p.trust, p.share, p.liars, s.tasks)
			return err
		})
	}
	return group.Wait()
}

var (
	trusts = []uint64{2, 3, 4, 5, 9, 10, 17, 33, 50, 65, 100, 129, 257, 513}
	shares = []float64{0.1, 0.2, 1.0 / 3, 0.4}
)

// byTrust is figure 1: liars of one gang among newcomers, by trust.
func (s study) byTrust() error {
	var points []point
	for _, share := range shares {
		for _, trust := range trusts {
			points = append(points, point{trust: trust, share: share, liars: gang})
		}
	}
	if err := s.simulate(1000, points); err != nil {
		return err
	}
	f := figure{
		title: "Wrong results accepted, by trust (newcomers, liars of one gang)",
		x:     "trust", y: "wrong results accepted", logX: true, logY: true,
	}
	promise := line{name: "promise: 1/trust", dashed: true}
	for _, trust := range trusts {
		promise.add(float64(trust), 1/float64(trust))
	}
	f.lines = append(f.lines, promise)
	for _, share := range shares {
		exact := line{name: fmt.Sprintf("%.0f %% lie", 100*share)}
		for _, trust := range trusts {
			wrong, _ := walk(float64(trust), share)
			exact.add(float64(trust), wrong)
		}
		f.lines = append(f.lines, exact)
	}
	for i, p := range points {
		f.mark(1+i/len(trusts), float64(p.trust), p.wrong, p.tasks)
	}
	return s.publish("by-trust", f, points)
}

// byShare is figure 2: the same by the share of liars, and lone liars.
func (s study) byShare() error {
	asked := []uint64{2, 3, 5, 17, 65}
	var points []point
	var lied []float64
	for percent := 5; percent <= 45; percent += 5 {
		lied = append(lied, float64(percent)/100)
	}
	for _, trust := range asked {
		for _, share := range lied {
			points = append(points, point{trust: trust, share: share, liars: gang})
		}
	}
	together := len(points)
	for _, trust := range asked {
		for _, share := range lied {
			points = append(points, point{trust: trust, share: share, liars: lone})
		}
	}
	if err := s.simulate(2000, points); err != nil {
		return err
	}
	f := figure{
		title: "Wrong results accepted, by the share of liars (newcomers)",
		x:     "share of liars", y: "wrong results accepted", logY: true, right: true,
	}
	for _, trust := range asked {
		exact := line{name: fmt.Sprintf("trust %d", trust)}
		for _, share := range lied {
			wrong, _ := walk(float64(trust), share)
			exact.add(share, wrong)
		}
		f.lines = append(f.lines, exact)
	}
	for i, p := range points[:together] {
		f.mark(i/len(lied), p.share, p.wrong, p.tasks)
	}
	return s.publish("by-share", f, points)
}

// byCost is figure 3: error against redundancy, beside majority voting.
func (s study) byCost() error {
	f := figure{
		title: "What certainty costs (20 % of newcomers lie, one gang)",
		x:     "contributions per task", y: "wrong results accepted", logY: true,
	}
	const share = 0.2
	poco, sarmenta := line{name: "PoCo, trust 2 to 513"}, line{name: "first m that match, m = 1 to 8"}
	var points []point
	for _, trust := range trusts {
		wrong, contributions := walk(float64(trust), share)
		poco.add(contributions, wrong)
		points = append(points, point{trust: trust, share: share, liars: gang})
	}
	for m := 1; m <= 8; m++ {
		sarmenta.add(votingCost(m, share), voting(m, share))
	}
	if err := s.simulate(3000, points); err != nil {
		return err
	}
	f.lines = []line{poco, sarmenta}
	for _, p := range points {
		f.mark(0, float64(p.contributions)/float64(p.tasks), p.wrong, p.tasks)
	}
	return s.publish("by-cost", f, points)
}

// fleets of the figures 4 and 5 and of the table.
const (
	fleetSize  = 50
	fleetLiars = 10
	fleetTrust = 10
	price      = 1_000_000_000 // nRLC a task
	stretch    = 100           // tasks that are counted together
	stretches  = 40
)

var kinds = []struct {
	name string
	conduct
}{
	{"alone, always", lone},
	{"gang, always", gang},
	{"gang, at half of the tasks", conduct{Behaviour: gang.Behaviour, rate: 0.5}},
	{"gang, at a tenth of the tasks", conduct{Behaviour: gang.Behaviour, rate: 0.1}},
	{"gang, asleep to a score of 20", conduct{Behaviour: gang.Behaviour, rate: 1, sleeper: 20}},
	{"gang, asleep to a score of 33", conduct{Behaviour: gang.Behaviour, rate: 1, sleeper: 33}},
}

// overTime is figure 4: fleets whose scores grow.
func (s study) overTime() error {
	f := figure{
		title: fmt.Sprintf("Wrong results accepted as scores grow (%d workers, %d liars, trust %d)", fleetSize, fleetLiars, fleetTrust),
		x:     "tasks of the fleet so far", y: "wrong results accepted",
	}
	f.lines = append(f.lines, line{name: "promise: 1/trust", dashed: true, points: [][2]float64{{0, 0.1}, {stretch * stretches, 0.1}}})
	rows := [][]string{{"liars", "tasks_from", "tasks_to", "tasks", "wrong", "low_95", "high_95", "contributions_per_task"}}
	for k, kind := range kinds {
		sums, err := s.livesOf(uint64(k), kind.conduct)
		if err != nil {
			return err
		}
		f.lines = append(f.lines, line{name: kind.name})
		for i, t := range sums {
			f.lines[k+1].add(float64(i)*stretch+stretch/2, float64(t.wrong)/float64(t.tasks))
			f.mark(k+1, float64(i)*stretch+stretch/2, t.wrong, t.tasks)
			low, high := wilson(t.wrong, t.tasks)
			rows = append(rows, []string{
				kind.name, strconv.Itoa(i * stretch), strconv.Itoa((i + 1) * stretch), strconv.Itoa(t.tasks), strconv.Itoa(t.wrong),
				number(low), number(high), number(float64(t.contributions) / float64(t.tasks)),
			})
		}
	}
	if err := s.write("over-time.csv", rows); err != nil {
		return err
	}
	return f.draw(filepath.Join(s.dir, "over-time.svg"))
}

// livesOf plays many fleets of a kind and adds them up, stretch by stretch.
func (s study) livesOf(kind uint64, c conduct) ([stretches]tally, error) {
	lives := make([][stretches]tally, s.lives)
	group := errgroup.Group{}
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range lives {
		group.Go(func() error {
			fleet, err := newFleet(s.seed, 10_000*(kind+1)+uint64(i), fleetSize, fleetLiars, c)
			for k := 0; k < stretches && err == nil; k++ {
				lives[i][k], err = fleet.play(fleetTrust, price, stretch)
			}
			return err
		})
	}
	err := group.Wait()
	var sums [stretches]tally
	for _, life := range lives {
		for k := range sums {
			sums[k].add(life[k])
		}
	}
	return sums, err
}

// calibration is figure 5: what scores say of lone liars, beside what these do.
func (s study) calibration() error {
	rates := []float64{0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5}
	f := figure{
		title: "What a score says of a worker that errs at random (trust 100)",
		x:     "how often it errs", y: "error by its score",
	}
	truth, balance := line{name: "as often as it does", dashed: true}, line{name: "where praise and blame balance"}
	simulated := line{name: "simulated: mean over time", none: true}
	rows := [][]string{{"rate", "ascribed_simulated", "low_95", "high_95", "ascribed_formula", "mean_score"}}
	for i, rate := range rates {
		truth.add(rate, rate)
		balance.add(rate, settled(rate))
		mean, low, high, score, err := s.ascribed(uint64(i), rate)
		if err != nil {
			return err
		}
		simulated.add(rate, mean)
		f.bars = append(f.bars, bar{line: 2, x: rate, y: mean, low: low, high: high})
		rows = append(rows, []string{number(rate), number(mean), number(low), number(high), number(settled(rate)), number(score)})
	}
	f.lines = []line{truth, balance, simulated}
	if err := s.write("calibration.csv", rows); err != nil {
		return err
	}
	return f.draw(filepath.Join(s.dir, "calibration.svg"))
}

// ascribed plays fleets of which a tenth errs at a rate, and returns the mean error that
// the scores of these imply once they have settled, with its 95 % interval over fleets,
// and their mean score.
func (s study) ascribed(first uint64, rate float64) (mean, low, high, score float64, err error) {
	const warm, samples, size, liars = 10, 20, 30, 3
	lives := max(s.lives/5, 2)
	means, scores := make([]float64, lives), make([]float64, lives)
	group := errgroup.Group{}
	group.SetLimit(runtime.GOMAXPROCS(0))
	for life := range lives {
		group.Go(func() error {
			c := conduct{Behaviour: workers.Behaviour{Conduct: workers.Lying}, rate: rate}
			fleet, err := newFleet(s.seed, 200_000+1000*first+uint64(life), size, liars, c)
			for k := 0; k < warm+samples && err == nil; k++ {
				_, err = fleet.play(100, price, stretch)
				for i := 0; i < liars && k >= warm; i++ {
					means[life] += implied(fleet.score(i)) / (samples * liars)
					scores[life] += float64(fleet.score(i)) / (samples * liars)
				}
			}
			return err
		})
	}
	err = group.Wait()
	mean, half := meanOf(means)
	score, _ = meanOf(scores)
	return mean, mean - half, mean + half, score, err
}

// money is the table: what honest workers and liars gain per task drawn for.
func (s study) money() error {
	rows := [][]string{{"trust", "liars", "wrong_share", "honest_nrlc_per_task", "honest_half_95", "liar_nrlc_per_task", "liar_half_95", "contributions_per_task"}}
	const tasks = 1000
	lives := max(s.lives/5, 2)
	for t, trust := range []uint64{2, 3, 5, 10, 50} {
		for k, kind := range kinds[:2] {
			honest, liar := make([]float64, lives), make([]float64, lives)
			sums := make([]tally, lives)
			group := errgroup.Group{}
			group.SetLimit(runtime.GOMAXPROCS(0))
			for life := range lives {
				group.Go(func() error {
					fleet, err := newFleet(s.seed, 400_000+uint64(10_000*t+1000*k+life), fleetSize, fleetLiars, kind.conduct)
					if err != nil {
						return err
					}
					if sums[life], err = fleet.play(trust, price, tasks); err != nil {
						return err
					}
					for i := range fleetSize {
						if i < fleetLiars {
							liar[life] += fleet.gain(i) / (tasks * fleetLiars)
						} else {
							honest[life] += fleet.gain(i) / (tasks * (fleetSize - fleetLiars))
						}
					}
					return nil
				})
			}
			if err := group.Wait(); err != nil {
				return err
			}
			var all tally
			for _, sum := range sums {
				all.add(sum)
			}
			h, hHalf := meanOf(honest)
			l, lHalf := meanOf(liar)
			rows = append(rows, []string{
				strconv.FormatUint(trust, 10), kind.name, number(float64(all.wrong) / float64(all.tasks)),
				number(h), number(hHalf), number(l), number(lHalf), number(float64(all.contributions) / float64(all.tasks)),
			})
		}
	}
	return s.write("money.csv", rows)
}

// publish draws a figure of newcomers and writes its data.
func (s study) publish(name string, f figure, points []point) error {
	rows := [][]string{{
		"trust", "share", "liars", "tasks", "wrong", "undecided", "wrong_share", "low_95", "high_95",
		"formula_exact", "formula_closed", "promise", "contributions_per_task", "formula_contributions",
	}}
	for _, p := range points {
		low, high := wilson(p.wrong, p.tasks)
		exact, closed, contributions := "", "", ""
		if p.liars.Gang != "" {
			wrong, mean := walk(float64(p.trust), p.share)
			exact, closed, contributions = number(wrong), number(ruin(float64(p.trust), p.share)), number(mean)
		}
		rows = append(rows, []string{
			strconv.FormatUint(p.trust, 10), number(p.share), map[bool]string{true: "gang", false: "alone"}[p.liars.Gang != ""],
			strconv.Itoa(p.tasks), strconv.Itoa(p.wrong), strconv.Itoa(p.undecided), number(float64(p.wrong) / float64(p.tasks)),
			number(low), number(high), exact, closed, number(1 / float64(p.trust)), number(float64(p.contributions) / float64(p.tasks)), contributions,
		})
	}
	if err := s.write(name+".csv", rows); err != nil {
		return err
	}
	return f.draw(filepath.Join(s.dir, name+".svg"))
}

func (s study) write(name string, rows [][]string) error {
	file, err := os.Create(filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	out := csv.NewWriter(file)
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	return file.Close()
}

// number has as many digits as mean something.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }
