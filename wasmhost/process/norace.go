//go:build !race

package process

// raceDetector says that the program is built with the race detector.
const raceDetector = false
