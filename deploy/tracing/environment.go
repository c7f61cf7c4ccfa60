package tracing

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Variables that decide whether there is tracing. OpenTelemetry's specification has
// the meaning of all that this package reads.
const (
	sdkDisabled    = "OTEL_SDK_DISABLED"
	tracesExporter = "OTEL_TRACES_EXPORTER"
	otlp           = "OTEL_EXPORTER_OTLP_"
	sampler        = "OTEL_TRACES_SAMPLER"
	samplerArg     = "OTEL_TRACES_SAMPLER_ARG"
	maxQueue       = "OTEL_BSP_MAX_QUEUE_SIZE"
)

// env is a variable's value, without the space around it, which means nothing.
func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// of returns the variable of traces that is set, or of all signals, and its value.
func of(what string) (name, value string) {
	if v := env(otlp + "TRACES_" + what); v != "" {
		return otlp + "TRACES_" + what, v
	}
	return otlp + what, env(otlp + what)
}

// wanted reports whether the environment asks for tracing.
func wanted() (bool, error) {
	if strings.EqualFold(env(sdkDisabled), "true") {
		return false, nil
	}
	switch exporter := env(tracesExporter); exporter {
	case "":
		_, endpoint := of("ENDPOINT")
		return endpoint != "", nil
	case "none":
		return false, nil
	case "otlp":
		return true, nil
	default:
		return false, fmt.Errorf("%s: %q is not supported; want otlp or none", tracesExporter, exporter)
	}
}

// check finds what the SDK would ignore, or would log with its value.
func check() error {
	if name, protocol := of("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("%s: %q is not supported; want http/protobuf, which collectors take at port 4318", name, protocol)
	}
	if name, c := of("COMPRESSION"); c != "" && c != "gzip" && c != "none" {
		return fmt.Errorf("%s: %q is not supported; want gzip or none", name, c)
	}
	for _, check := range []func() error{checkEndpoints, checkHeaders, checkFiles, checkSampler, checkNumbers} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkSampler checks the sampler's name, and its argument where it has one.
func checkSampler() error {
	name := strings.ToLower(env(sampler))
	if name == "" {
		return nil
	}
	names := []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
	if !slices.Contains(names, name) {
		return fmt.Errorf("%s: %q is not supported; want one of %s", sampler, name, strings.Join(names, ", "))
	}
	arg := env(samplerArg)
	if arg == "" || !strings.HasSuffix(name, "traceidratio") {
		return nil
	}
	if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		return fmt.Errorf("%s: %q is not a number from 0 to 1", samplerArg, arg)
	}
	return nil
}

// effectiveSampler is the sampler that decides, with its ratio where it has one.
func effectiveSampler() string {
	name, arg := strings.ToLower(env(sampler)), env(samplerArg)
	switch {
	case name == "":
		return "parentbased_always_on"
	case !strings.HasSuffix(name, "traceidratio"):
		return name
	case arg == "":
		return name + " 1"
	}
	return name + " " + arg
}

// maxQueued bounds OTEL_BSP_MAX_QUEUE_SIZE: a span takes some 2 KiB.
const maxQueued = 1 << 16

// checkNumbers checks what must be a whole number.
func checkNumbers() error {
	for _, n := range []struct {
		name        string
		least, most int
	}{
		{otlp + "TIMEOUT", 1, math.MaxInt32}, {otlp + "TRACES_TIMEOUT", 1, math.MaxInt32},
		{maxQueue, 1, maxQueued}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, maxQueued},
		{"OTEL_BSP_SCHEDULE_DELAY", 1, math.MaxInt32}, {"OTEL_BSP_EXPORT_TIMEOUT", 1, math.MaxInt32},
		{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, math.MaxInt32}, {"OTEL_ATTRIBUTE_COUNT_LIMIT", 0, math.MaxInt32},
		{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, math.MaxInt32}, {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", 0, math.MaxInt32},
		{"OTEL_SPAN_EVENT_COUNT_LIMIT", 0, math.MaxInt32}, {"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", 0, math.MaxInt32},
	} {
		text := env(n.name)
		if text == "" {
			continue
		}
		if v, err := strconv.Atoi(text); err != nil || v < n.least || v > n.most {
			return fmt.Errorf("%s: %q is not a whole number from %d to %d", n.name, text, n.least, n.most)
		}
	}
	return nil
}

// queueSize is how many spans may wait, the specification's default if nothing is said.
func queueSize() int {
	if n, err := strconv.Atoi(env(maxQueue)); err == nil {
		return n
	}
	return 2048
}
