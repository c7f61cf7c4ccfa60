package kube

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// run runs a command in the pod, as kubectl does by default: over a WebSocket.
func (c *Cluster) run(ctx context.Context, s *side, in io.Reader, out io.Writer, command ...string) error {
	url := s.set.CoreV1().RESTClient().Get().Namespace(c.namespace).Resource("pods").Name(podName).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdin: in != nil, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	e, err := remotecommand.NewWebSocketExecutor(s.config, "GET", url.String())
	if err != nil {
		return err
	}
	var said bytes.Buffer
	if err := e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out, Stderr: &said}); err != nil {
		return fmt.Errorf("%s: %w %s", strings.Join(command, " "), err, said.String())
	}
	return nil
}

func (c *Cluster) exec(ctx context.Context, s *side) (float64, error) {
	return millis(median(c.sizes.execs, func() (time.Time, error) {
		err := c.run(ctx, s, nil, io.Discard, "true")
		return time.Now(), err
	}))
}

// echo measures what somebody waits for who types into a shell.
func (c *Cluster) echo(ctx context.Context, s *side) (float64, error) {
	in, keys := io.Pipe()
	screen, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := c.run(ctx, s, in, out, "cat")
		_ = in.Close()
		_ = out.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	lines := bufio.NewReader(screen)
	const line = "ls -l\n"
	echoed := func() (time.Time, error) {
		if _, err := io.WriteString(keys, line); err != nil {
			return time.Time{}, err
		}
		got, err := lines.ReadString('\n')
		if err == nil && got != line {
			err = fmt.Errorf("echo is %q", got)
		}
		return time.Now(), err
	}
	var took time.Duration
	_, err := echoed() // from then on it runs
	if err == nil {
		took, err = median(c.sizes.lines, echoed)
	}
	_ = keys.Close()
	_ = screen.Close()
	return micros(took, errors.Join(err, <-done))
}

// copyIn does what kubectl cp does.
func (c *Cluster) copyIn(ctx context.Context, s *side) (float64, error) {
	start := time.Now()
	err := c.run(ctx, s, bytes.NewReader(c.tar), io.Discard, "tar", "-xmf", "-", "-C", "/tmp")
	return c.rate(start), err
}

func (c *Cluster) copyOut(ctx context.Context, s *side) (float64, error) {
	var got counter
	start := time.Now()
	err := c.run(ctx, s, nil, &got, "tar", "cf", "-", "-C", "/tmp", fileName)
	if err == nil && int(got) < c.sizes.bytes {
		err = fmt.Errorf("%d bytes, expected %d and more", got, c.sizes.bytes)
	}
	return c.rate(start), err
}

func (c *Cluster) rate(start time.Time) float64 {
	return float64(c.sizes.bytes) / (1 << 20) / time.Since(start).Seconds()
}

// counter counts what is written to it.
type counter int

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}
