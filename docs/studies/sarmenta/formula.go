package main

import "math"

// newcomer is the weight of a worker with a score below 12, as a float.
const newcomer = 2.0

// accepted says whether a group is a consensus: group·trust > total·(trust − 1).
func accepted(trust, group, total float64) bool { return group*trust > total*(trust-1) }

// group is what n newcomers of one result weigh together.
func group(n int) float64 {
	if n == 0 {
		return 0
	}
	return math.Pow(newcomer, float64(n))
}

// depth is how many contributions to a task the exact computation follows. What is left
// undecided beyond is below 1e-9 for shares of liars up to 0.45.
const depth = 800

// walk is the exact fate of a task to which newcomers contribute one after the other,
// each of them lying with the probability share, and all liars telling the same lie: a
// walk over (right, wrong) that ends where one side is accepted. It returns the
// probability that the lie is, and how many contributions it takes on average.
func walk(trust, share float64) (wrong, contributions float64) {
	now := []float64{1} // now[l]: probability of l lies among the n contributions so far
	for n := 0; n < depth; n++ {
		next := make([]float64, n+2)
		for l, p := range now {
			contributions += p
			if p == 0 {
				continue
			}
			wrong += step(trust, n-l, l+1, p*share, &next[l+1], true)
			step(trust, n-l+1, l, p*(1-share), &next[l], false)
		}
		now = next
	}
	return wrong, contributions
}

// step adds a probability to a state, or returns it if the side that has just got a
// contribution is accepted there.
func step(trust float64, right, wrong int, p float64, state *float64, lie bool) float64 {
	side := group(right)
	if lie {
		side = group(wrong)
	}
	if accepted(trust, side, 1+group(right)+group(wrong)) {
		return p
	}
	*state += p
	return 0
}

// ruin is the same in closed form, as a gambler's ruin: a side wins once it leads by d
// contributions, the smallest d with 2^d > trust − 1. It is exact where trust − 1 is a
// power of two, and near elsewhere.
func ruin(trust, share float64) float64 {
	d := 1.0
	for math.Pow(newcomer, d) <= trust-1 {
		d++
	}
	return 1 / (1 + math.Pow((1-share)/share, d))
}

// voting is Sarmenta's error of majority voting: the first result with m matching
// contributions is accepted, and wrong contributions match. He sums the ways in which
// m or more of 2m − 1 are wrong.
func voting(m int, share float64) (wrong float64) {
	all := 2*m - 1
	for j := m; j <= all; j++ {
		wrong += choose(all, j) * math.Pow(share, float64(j)) * math.Pow(1-share, float64(all-j))
	}
	return wrong
}

// votingCost is how many contributions it takes on average until m of them match.
func votingCost(m int, share float64) (contributions float64) {
	for j := range m { // j of the other side when the m-th arrives
		ways := choose(m-1+j, j)
		contributions += float64(m+j) * ways * math.Pow(1-share, float64(m)) * math.Pow(share, float64(j))
		contributions += float64(m+j) * ways * math.Pow(share, float64(m)) * math.Pow(1-share, float64(j))
	}
	return contributions
}

func choose(n, k int) float64 {
	product := 1.0
	for i := range k {
		product *= float64(n-i) / float64(i+1)
	}
	return product
}

// implied is the error that PoCo's weight ascribes to a worker: 1 − weight/(weight+1).
func implied(score uint64) float64 { return 1 / math.Max(math.Floor(float64(score)/3), 3) }

// settled is the error that the score of a worker ascribes to it once praise and blame
// balance: lying at a rate, always found out, its score settles where 1−rate = rate·score/3.
func settled(rate float64) float64 { return math.Min(1.0/3, rate/(1-rate)) }

// wilson is the 95 % confidence interval of a probability, of which so many of n came
// out (Wilson's score interval, which is good near 0 as well).
func wilson(hits, n int) (low, high float64) { return wilsonAt(1.959964, hits, n) }

func wilsonAt(z float64, hits, n int) (low, high float64) {
	p, count := float64(hits)/float64(n), float64(n)
	middle := (p + z*z/(2*count)) / (1 + z*z/count)
	half := z / (1 + z*z/count) * math.Sqrt(p*(1-p)/count+z*z/(4*count*count))
	low, high = math.Max(0, middle-half), math.Min(1, middle+half)
	if hits == 0 {
		low = 0 // the subtraction leaves a rounding error
	}
	return low, high
}
