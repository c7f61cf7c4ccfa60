package serve

import (
	"io"

	"github.com/prometheus/client_golang/prometheus"
)

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	counter prometheus.Counter
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.counter.Add(float64(n))
	return n, err
}

// countedWriter counts the bytes that are written.
type countedWriter struct {
	io.Writer
	counter prometheus.Counter
}

func (c *countedWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.Writer.Write(p)
	c.counter.Add(float64(n))
	return n, err
}
