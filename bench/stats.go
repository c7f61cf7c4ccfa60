package main

import (
	"encoding/json"
	"math"
	"slices"
)

// Samples has one value of a figure for each round, NaN if it could not be read.
type Samples []float64

// MarshalJSON writes NaN, which JSON lacks, as null.
func (s Samples) MarshalJSON() ([]byte, error) {
	out := make([]*float64, len(s))
	for i := range s {
		if !math.IsNaN(s[i]) {
			out[i] = &s[i]
		}
	}
	return json.Marshal(out)
}

// Spread is the median of samples and the quartiles around it.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // first quartile
	High   float64 `json:"high"` // third quartile
}

// spreadOf ignores samples that were not measured (NaN). Without samples every value
// is NaN.
func spreadOf(samples Samples) Spread {
	s := slices.DeleteFunc(slices.Clone([]float64(samples)), math.IsNaN)
	slices.Sort(s)
	return Spread{Median: quantile(s, 0.5), Low: quantile(s, 0.25), High: quantile(s, 0.75)}
}

// quantile interpolates between the two samples around it.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// pair applies f to the samples of the same round.
func pair(a, b Samples, f func(x, y float64) float64) Samples {
	out := make(Samples, min(len(a), len(b)))
	for i := range out {
		out[i] = f(a[i], b[i])
	}
	return out
}

func quotient(x, y float64) float64 {
	if y == 0 {
		return math.NaN()
	}
	return x / y
}

func plus(x, y float64) float64  { return x + y }
func minus(x, y float64) float64 { return x - y }
