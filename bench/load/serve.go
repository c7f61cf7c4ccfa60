package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Serve does the jobs that arrive on in, one JSON object a line, and writes the
// result of each to out, until in ends. do is [Client.Do] or a similar function.
func Serve(in io.Reader, out io.Writer, do func(Job) (Result, error)) error {
	jobs, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j Job
		if err := jobs.Decode(&j); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read job: %w", err)
		}
		r, err := do(j)
		if err != nil {
			r = Result{Message: err.Error()}
		}
		if err := results.Encode(r); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
}
