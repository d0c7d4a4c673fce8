// What a provider's failure means, in plain words. Owns: knowing the troubles of runtimes and drivers. Must never: hide the
// raw words.
import type { Provider } from "../messages.ts";
import type { Failing } from "./attempt.ts";
import type { Trouble } from "./gpu.ts";
import { howToGetLibraries, ONNX_RUNTIME_VERSION } from "./runtime.ts";

const NAMES: Readonly<Record<Provider, string>> = {
  cpu: "the CPU",
  webgpu: "WebGPU",
  cuda: "CUDA",
  tensorrt: "TensorRT",
  dml: "DirectML",
  coreml: "Core ML",
};

export function nameOf(device: Provider): string {
  return NAMES[device];
}

/** @param detail the raw words of the runtime and of the process's error stream */
export function explainFailure(device: Provider, failing: Failing, detail: string): Trouble {
  return { ...meaning(device, failing, detail), detail };
}

function meaning(device: Provider, failing: Failing, detail: string): Trouble {
  const name = nameOf(device);
  const update = "Update the GPU's driver and try again.";
  switch (failing) {
    case "crashed":
      return { why: `The try-out on ${name} crashed${crashWords(detail)}.`, next: update };
    case "hung":
      return { why: `The try-out on ${name} did not come to an end and was stopped.`, next: update };
    case "out-of-memory":
      return {
        why: `There is not enough memory to run this model on ${name}.`,
        next: "Close other programs that use it, or choose a smaller model.",
      };
    case "not-finite":
      return {
        why: `${capital(name)} runs the network, but gives values that are no numbers.`,
        next: update,
      };
    case "missing":
    case "damaged":
      return { why: "The model's file is missing or damaged.", next: "Run `autochrome models verify`." };
    case "misshapen":
      return { why: "The network gave something else than colours.", next: "Choose another model." };
    case "unloadable":
    case "failed":
      return (
        (device === "webgpu" ? webgpuTrouble(detail) : undefined) ??
        (device === "cuda" || device === "tensorrt" ? cudaTrouble(detail) : undefined) ??
        anyTrouble(name, failing, detail)
      );
  }
}

function webgpuTrouble(detail: string): Trouble | undefined {
  if (/Couldn't load Vulkan/i.test(detail)) {
    return {
      why: "WebGPU needs Vulkan, and its loader libvulkan.so.1 is not installed.",
      next: "Where there is a GPU, install libvulkan1 (Debian, Ubuntu) or vulkan-loader (Fedora), and the GPU's Vulkan driver: NVIDIA's comes with its driver, AMD's and Intel's is mesa-vulkan-drivers.",
    };
  }
  if (/Failed to get a WebGPU adapter|No supported adapters/i.test(detail)) {
    return {
      why: "WebGPU found no GPU that it can use.",
      next:
        process.platform === "linux"
          ? "Where there is a GPU, install its Vulkan driver (try `vulkaninfo --summary`); a container needs NVIDIA_DRIVER_CAPABILITIES=all."
          : "Where there is a GPU, update its driver.",
    };
  }
  return undefined;
}

function cudaTrouble(detail: string): Trouble | undefined {
  const missing = /(\blib[\w+-]+)\.so(?:\.(\d+))?[\w.]*: cannot open shared object file/.exec(detail);
  if (missing !== null) return missingLibrary(missing[1] ?? "", missing[2]);
  if (/CUDA failure 35\b|driver version is insufficient/i.test(detail)) {
    return {
      why: "NVIDIA's driver is too old for the CUDA libraries, or is not running.",
      next: "Update the driver: CUDA 13 needs version 580, CUDA 12 version 525.",
    };
  }
  if (/CUDA failure 100\b|no CUDA-capable device/i.test(detail)) {
    return {
      why: "CUDA found no NVIDIA GPU.",
      next: "Check that `nvidia-smi` lists it, and that CUDA_VISIBLE_DEVICES does not hide it.",
    };
  }
  if (/no kernel image is available/i.test(detail)) {
    return {
      why: "The NVIDIA GPU is of a generation that these CUDA libraries do not run on.",
      next: "Use WebGPU.",
    };
  }
  if (/CUDA failure 2\b|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED/i.test(detail)) {
    return {
      why: "The NVIDIA GPU has not enough free memory for this model.",
      next: "Close other programs that use it, or choose a smaller model.",
    };
  }
  if (/undefined symbol|version `[^']*' not found/i.test(detail)) {
    return {
      why: "The CUDA libraries do not fit each other or this system.",
      next: howToGetLibraries(),
    };
  }
  return undefined;
}

function missingLibrary(library: string, major: string | undefined): Trouble {
  const file = `${library}.so${major === undefined ? "" : `.${major}`}`;
  const number = major === undefined ? "" : ` ${major}`;
  if (library === "libcuda") {
    return {
      why: `NVIDIA's driver is not installed: ${file} was not found.`,
      next: "If there is an NVIDIA GPU, install its driver; a container has to be started with the GPU.",
    };
  }
  if (/^libnv(infer|onnxparser)/.test(library)) {
    return {
      why: `TensorRT${number} is not found: ${file}.`,
      next: `Add it to the folder gpuLibraries, for instance with \`pip install --target FOLDER "tensorrt-cu13-libs==${major ?? "10"}.*"\`, or use CUDA.`,
    };
  }
  if (library.startsWith("libcudnn"))
    return { why: `cuDNN${number} is not found: ${file}.`, next: howToGetLibraries() };
  // Libraries of one CUDA version bear different numbers; that of these is CUDA's.
  const cuda = /^lib(cudart|cublas|cublasLt|nvrtc|nvJitLink)$/.test(library) ? number : "";
  return {
    why: /^lib(cu|nv)/.test(library)
      ? `The libraries of CUDA${cuda} are not found: ${file}.`
      : `A library is missing for CUDA: ${file}.`,
    next: howToGetLibraries(),
  };
}

function anyTrouble(name: string, failing: Failing, detail: string): Trouble {
  if (/backend not found|not supported in this build|is not enabled in this build/i.test(detail)) {
    return {
      why: `ONNX Runtime ${ONNX_RUNTIME_VERSION} for this platform does not contain ${name}.`,
      next: "Nothing to do; another device does the work.",
    };
  }
  if (/NOT_IMPLEMENTED|Could not find an implementation|unsupported (op|node)/i.test(detail)) {
    return {
      why: `${capital(name)} does not know an operation of this model.`,
      next: "Choose another model for it, or another device.",
    };
  }
  return {
    why: `The network ${failing === "unloadable" ? "cannot be started" : "fails"} on ${name}.`,
    next: "Use another device; the raw words are shown with --json.",
  };
}

function crashWords(detail: string): string {
  const signal = /^SIG\w+/.exec(detail)?.[0];
  return signal === undefined ? "" : ` (${signal})`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
