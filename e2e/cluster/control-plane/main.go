// control-plane is a real Kubernetes cluster without containers, for tests: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler from their own modules, and a test kubelet that runs each pod's
// commands as local processes. It prints one line of JSON when it is ready, and ends on SIGTERM, SIGINT or when
// its standard input closes (with --until-stdin-closes). Everything it keeps lies in its data folder; started
// again there, it goes on where it was, on the same port.
// It must never be reached from another computer and never be used for anything but tests.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
)

// kubernetesVersion is what the API server and the nodes say they are. It comes from the linker (-X, see
// control-plane.ts); without that it is v0.0.0 and clients that ask for a version will not like it.
var kubernetesVersion = version.Get().GitVersion

type settings struct {
	data       string
	cpu        string
	memory     string
	pods       int
	gpus       int
	gpuProduct string
	entrypoint []string // what an image runs when the pod names no command
	imageEnv   []string // NAME=VALUE of every image
	image      []place  // where images' own files lie
}

type cluster struct {
	settings settings
	server   *apiServer
	admin    kubernetes.Interface
	nodes    []*node

	mu     sync.Mutex
	images []string
}

func (c *cluster) hasImage(name string) bool { return slices.Contains(c.listImages(), name) }

func (c *cluster) listImages() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.images
}

func (c *cluster) setImages(images []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images = images
}

func main() {
	if err := run(); err != nil {
		klog.Flush()
		fmt.Fprintln(os.Stderr, "control-plane:", err)
		os.Exit(1)
	}
}

func run() error {
	data := pflag.String("data", "", "folder for everything that is kept (required)")
	nodes := pflag.Int("nodes", 2, "how many nodes")
	gpus := pflag.Int("gpus", 2, "nvidia.com/gpu of each node")
	gpuProduct := pflag.String("gpu-product", "Tesla-T4", "the nodes' label nvidia.com/gpu.product")
	cpu := pflag.String("cpu", "16", "CPUs of each node")
	memory := pflag.String("memory", "64Gi", "memory of each node")
	pods := pflag.Int("pods", 110, "how many pods each node takes")
	kubeconfig := pflag.String("kubeconfig", "", "where to write the administrator's kubeconfig (DATA/kubeconfig)")
	images := pflag.StringSlice("images", nil, "images that can be pulled, comma-separated")
	entrypoint := pflag.StringArray("entrypoint", nil, "one word of what images run without a command; repeat")
	imageEnv := pflag.StringArray("image-env", nil, "NAME=VALUE that all images set; repeat")
	maps := pflag.StringArray("map", nil, "INSIDE=OUTSIDE: where a path of the images' own lies here; repeat")
	adminPort := pflag.Int("admin-port", 0, "port for faults, 0 for any")
	jobBackoff := pflag.Duration("job-backoff", 10*time.Second, "first wait of the Job controller after a failed pod")
	untilStdin := pflag.Bool("until-stdin-closes", false, "end when standard input closes")
	pflag.Parse()
	if *data == "" {
		return fmt.Errorf("--data is required")
	}
	folder, err := filepath.Abs(*data)
	if err != nil {
		return err
	}
	if *kubeconfig == "" {
		*kubeconfig = filepath.Join(folder, "kubeconfig")
	}
	var places []place
	for _, text := range *maps {
		inside, outside, there := strings.Cut(text, "=")
		if !there {
			return fmt.Errorf("--map wants INSIDE=OUTSIDE, not %q", text)
		}
		places = append(places, place{inside, outside})
	}
	if err := logTo(filepath.Join(folder, "control-plane.log")); err != nil {
		return err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})

	c := &cluster{images: *images, settings: settings{
		data: folder, cpu: *cpu, memory: *memory, pods: *pods, gpus: *gpus, gpuProduct: *gpuProduct,
		entrypoint: *entrypoint, imageEnv: *imageEnv, image: places,
	}}
	certs, err := openAuthority(filepath.Join(folder, "pki"))
	if err != nil {
		return err
	}
	if err := certs.signServer(0); err != nil {
		return err
	}
	store, etcd, err := startEtcd(filepath.Join(folder, "etcd"), filepath.Join(folder, "etcd.log"))
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer store.Close()
	sockets, err := os.MkdirTemp("", "control-plane-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(sockets)
	wayToPods := filepath.Join(sockets, "pods")
	if err := startWayToPods(wayToPods); err != nil {
		return err
	}
	portFile := filepath.Join(folder, "port")
	c.server = &apiServer{data: folder, etcd: etcd, certs: certs, port: portOf(portFile), pods: wayToPods}
	if err := c.server.start(); err != nil {
		return err
	}
	defer c.server.stop()
	if err := writeWhole(portFile, fmt.Append(nil, c.server.port)); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 2)
	if err := c.startParts(ctx, *kubeconfig, *jobBackoff, failed); err != nil {
		return err
	}
	for index := range *nodes {
		n, err := newNode(c, index)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
		n.start()
		defer n.stop(false)
	}
	admin, err := startAdmin(c, *adminPort)
	if err != nil {
		return err
	}
	if err := c.waitForNodes(ctx); err != nil {
		return err
	}
	json.NewEncoder(os.Stdout).Encode(map[string]string{
		"kubeconfig": *kubeconfig, "apiServer": c.server.address(), "admin": admin,
		"auditLog": filepath.Join(folder, "audit.log"), "version": kubernetesVersion,
	})
	return waitForTheEnd(failed, *untilStdin)
}

// startParts writes the kubeconfigs and starts the controllers and the scheduler with theirs.
func (c *cluster) startParts(ctx context.Context, kubeconfig string, jobBackoff time.Duration, failed chan<- error) error {
	certs, address := c.server.certs, c.server.address()
	outside, err := certs.identity(address, "admin", "kubernetes-admin", "system:masters")
	if err != nil {
		return err
	}
	if err := writeKubeconfig(kubeconfig, outside, true); err != nil {
		return err
	}
	inside, err := c.server.adminConfig()
	if err != nil {
		return err
	}
	if c.admin, err = kubernetes.NewForConfig(inside); err != nil {
		return err
	}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		config, err := certs.identity(address, name, "system:"+name)
		if err != nil {
			return err
		}
		if err := writeKubeconfig(certs.file(name+".kubeconfig"), config, false); err != nil {
			return err
		}
	}
	if err := startControllers(ctx, certs.file("kube-controller-manager.kubeconfig"), certs, jobBackoff, failed); err != nil {
		return err
	}
	return startScheduler(ctx, certs.file("kube-scheduler.kubeconfig"), failed)
}

func waitForTheEnd(failed <-chan error, untilStdin bool) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	closed := make(chan struct{})
	if untilStdin {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			close(closed)
		}()
	}
	select {
	case err := <-failed:
		return err
	case <-signals:
	case <-closed:
	}
	return nil
}

// logTo sends the logs of all parts to a file, and nothing but a crash to standard error.
func logTo(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	klog.LogToStderr(false)
	klog.SetOutput(file)
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	return flags.Set("stderrthreshold", "FATAL")
}
