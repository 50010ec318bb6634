package main

import (
	"fmt"
	"math"
	"testing"

	"assay/workers"
)

// TestSimulationAgreesWithTheFormula plays a small version of the study: the exact
// formula must lie within the 99.9 % confidence interval of what the core does.
func TestSimulationAgreesWithTheFormula(t *testing.T) {
	const tasks, z = 3000, 3.2905
	for point, c := range []struct {
		trust uint64
		share float64
	}{{2, 0.1}, {2, 0.4}, {3, 0.2}, {4, 0.3}, {5, 0.45}, {10, 0.3}, {33, 0.4}} {
		t.Run(fmt.Sprintf("trust %d, share %v", c.trust, c.share), func(t *testing.T) {
			got, err := newcomers(7, uint64(point), c.trust, c.share, gang, tasks)
			if err != nil {
				t.Fatal(err)
			}
			want, contributions := walk(float64(c.trust), c.share)
			low, high := wilsonAt(z, got.wrong, got.tasks)
			if got.undecided > 0 || want < low || want > high {
				t.Errorf("%d of %d wrong, %d undecided: the formula says %.4f, outside [%.4f, %.4f]",
					got.wrong, got.tasks, got.undecided, want, low, high)
			}
			if mean := float64(got.contributions) / tasks; math.Abs(mean-contributions) > 0.1*contributions {
				t.Errorf("%.2f contributions a task, the formula says %.2f", mean, contributions)
			}
		})
	}
}

// TestLoneLiarsNeverWinFromTrust3: a lie that nobody shares weighs 2, which is accepted
// alone at trust 2 and never above.
func TestLoneLiarsNeverWinFromTrust3(t *testing.T) {
	for trust := uint64(2); trust <= 4; trust++ {
		got, err := newcomers(7, trust, trust, 0.3, lone, 1000)
		if err != nil {
			t.Fatal(err)
		}
		low, high := wilsonAt(3.2905, got.wrong, got.tasks)
		if trust == 2 && (low > 0.3 || high < 0.3) || trust > 2 && got.wrong > 0 {
			t.Errorf("trust %d: %d of %d wrong", trust, got.wrong, got.tasks)
		}
	}
}

// TestClosedFormIsExactAtPowersOfTwo, as its comment says; and the promise of trust is
// kept while a third of the newcomers lie, and broken from trust 3 on when 45 % do.
func TestClosedFormIsExactAtPowersOfTwo(t *testing.T) {
	for _, share := range []float64{0.05, 0.2, 1.0 / 3, 0.45} {
		for d := 1; d <= 8; d++ {
			trust := math.Pow(2, float64(d)) + 1
			exact, _ := walk(trust, share)
			if closed := ruin(trust, share); math.Abs(exact-closed) > 1e-6 {
				t.Errorf("trust %v, share %v: exactly %v, in closed form %v", trust, share, exact, closed)
			}
			if kept := exact <= 1/trust+1e-9; kept != (share <= 1.0/3) {
				t.Errorf("trust %v, share %v: %v wrong; is the promise kept? %v", trust, share, exact, kept)
			}
		}
	}
}

// TestVoting checks Sarmenta's formula against a computation by hand: 2 of 3.
func TestVoting(t *testing.T) {
	const share = 0.2
	if got, want := voting(2, share), 3*share*share*(1-share)+share*share*share; math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := votingCost(2, share), 2+2*share*(1-share); math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v contributions, want %v", got, want)
	}
}

// TestScoresFollowConduct: honest workers' scores grow, liars' do not, and what a score
// says of a lone liar's error is near its rate.
func TestScoresFollowConduct(t *testing.T) {
	const rate = 0.1
	f, err := newFleet(7, 1, 30, 3, conduct{Behaviour: workers.Behaviour{Conduct: workers.Lying}, rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0
	for range 60 {
		if _, err := f.play(10, 1000, 20); err != nil {
			t.Fatal(err)
		}
		for i := range f.liars {
			sum += implied(f.score(i))
			n++
		}
	}
	if honest, liar := f.score(29), f.score(0); honest < 30 || liar > honest {
		t.Errorf("the honest have %d points, the liars %d", honest, liar)
	}
	if mean := sum / float64(n); mean < 0.7*settled(rate) || mean > 2.5*settled(rate) {
		t.Errorf("scores say that liars err in %.3f, the balance of praise and blame says %.3f", mean, settled(rate))
	}
}
