package main

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// figure is lines (formulas) and points with error bars (simulations). On a logarithmic
// scale what is below floor is left out.
type figure struct {
	title, x, y string
	logX, logY  bool
	right       bool // where the legend is
	lines       []line
	bars        []bar
}

type line struct {
	name   string
	dashed bool
	none   bool // only its points are drawn
	points [][2]float64
}

func (l *line) add(x, y float64) { l.points = append(l.points, [2]float64{x, y}) }

// bar is a simulated point with its confidence interval, in the colour of a line.
type bar struct {
	line            int
	x, y, low, high float64
}

// floor is the least probability that figures show.
const floor = 1e-5

// mark adds a simulated probability: so many of n.
func (f *figure) mark(line int, x float64, hits, n int) {
	if f.logY && hits == 0 {
		return // nothing was seen; the data has the upper bound
	}
	low, high := wilson(hits, n)
	f.bars = append(f.bars, bar{line: line, x: x, y: float64(hits) / float64(n), low: low, high: high})
}

func (f *figure) draw(path string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = f.title, f.x, f.y
	p.Title.Padding, p.Legend.Top, p.Legend.Left = vg.Points(8), !f.logY, !f.right
	p.BackgroundColor = color.White
	p.Add(plotter.NewGrid())
	if f.logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.TickerFunc(decades)
	}
	if f.logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(decades)
	}
	for i, l := range f.lines {
		if err := f.line(p, i, l); err != nil {
			return err
		}
	}
	for _, b := range f.bars {
		if err := f.bar(p, b); err != nil {
			return err
		}
	}
	if f.logY {
		p.Y.Min, p.Y.Max = floor, 1
	} else {
		p.Y.Min, p.Y.Max = 0, 1.4*p.Y.Max // room for the legend
	}
	if err := p.Save(18*vg.Centimeter, 12*vg.Centimeter, path); err != nil {
		return fmt.Errorf("drawing %s: %w", path, err)
	}
	return nil
}

// decades are logarithmic ticks within the axis: plot's own go beyond it and take room.
func decades(low, high float64) []plot.Tick {
	ticks := plot.LogTicks{Prec: -1}.Ticks(low, high)
	return slices.DeleteFunc(ticks, func(t plot.Tick) bool { return t.Value < low || t.Value > high })
}

func (f *figure) line(p *plot.Plot, i int, l line) error {
	var points plotter.XYs
	for _, at := range l.points {
		if !f.logY || at[1] >= floor {
			points = append(points, plotter.XY{X: at[0], Y: at[1]})
		}
	}
	drawn, err := plotter.NewLine(points)
	if err != nil {
		return fmt.Errorf("line %s: %w", l.name, err)
	}
	drawn.Color, drawn.Width = plotutil.Color(i), vg.Points(1.2)
	if l.dashed {
		drawn.Color, drawn.Dashes = color.Gray{Y: 90}, []vg.Length{vg.Points(5), vg.Points(3)}
	}
	if !l.none {
		p.Add(drawn)
	}
	p.Legend.Add(l.name, drawn)
	return nil
}

// interval is one point for plotter's error bars.
type interval struct{ bar }

func (b interval) Len() int                       { return 1 }
func (b interval) XY(int) (x, y float64)          { return b.x, b.y }
func (b interval) YError(int) (low, high float64) { return b.y - b.low, b.high - b.y }

func (f *figure) bar(p *plot.Plot, b bar) error {
	if f.logY {
		b.low = math.Max(b.low, floor)
		if b.y < floor {
			return nil
		}
	}
	errors, err := plotter.NewYErrorBars(interval{b})
	if err != nil {
		return err
	}
	errors.Color, errors.CapWidth = plotutil.Color(b.line), vg.Points(3)
	dots, err := plotter.NewScatter(interval{b})
	if err != nil {
		return err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: plotutil.Color(b.line), Radius: vg.Points(2), Shape: draw.CircleGlyph{}}
	p.Add(errors, dots)
	return nil
}

// meanOf returns a mean and half of its 95 % confidence interval.
func meanOf(values []float64) (mean, half float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		half += (v - mean) * (v - mean) / (n - 1)
	}
	return mean, 1.96 * math.Sqrt(half/n)
}
