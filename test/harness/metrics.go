package harness

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Metrics are the samples of one scrape, in the order of the text. A name
// includes its labels: go_goroutines, or http_requests_total{code="200"}.
type Metrics struct {
	names  []string
	values map[string]float64
}

// ParseMetrics reads Prometheus' text format.
func ParseMetrics(r io.Reader) (*Metrics, error) {
	m := &Metrics{values: map[string]float64{}}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20) // kube-apiserver has long lines
	for scanner.Scan() {
		line := scanner.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		// Label values may contain blanks; the sample's value does not.
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 {
			return nil, fmt.Errorf("metrics: line %q", line)
		}
		v, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: line %q: %w", line, err)
		}
		m.names = append(m.names, line[:cut])
		m.values[line[:cut]] = v
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return m, nil
}

// Sum adds up the samples of a metric whose labels contain all of with, each
// written like verb="WATCH". A metric that does not exist is 0, since some appear
// only when they first count something.
func (m *Metrics) Sum(metric string, with ...string) float64 {
	sum := 0.0
next:
	for _, name := range m.names {
		bare, labels, _ := strings.Cut(name, "{")
		if bare != metric {
			continue
		}
		for _, w := range with {
			if !strings.Contains(labels, w) {
				continue next
			}
		}
		sum += m.values[name]
	}
	return sum
}

// Scrape reads the metrics at a URL.
func Scrape(ctx context.Context, client *http.Client, url string) (*Metrics, error) {
	body, err := get(ctx, client, url)
	if err != nil {
		return nil, err
	}
	return ParseMetrics(strings.NewReader(body))
}

// maxAnswer bounds an answer that is read whole, in bytes: kube-apiserver's
// metrics have about 3 MB.
const maxAnswer = 16 << 20

// get is the body of a 200 answer.
func get(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("get %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("get %s: %s: %.500s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}
