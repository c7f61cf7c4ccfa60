//go:build race

package crowd

func init() { raceDetector = true }
