/** A picture from the camera: a live look, and one press keeps it. The camera is off as soon as this is closed. */

import { useEffect, useRef, useState } from "preact/hooks";
import { openFile } from "../state/files.js";
import { picking } from "../state/store.js";
import { html } from "./html.js";

const LONGEST = 1024; // pixels of a side; the server keeps no more
const REASONS = {
  NotAllowedError: "The browser does not let this page use the camera. Allow it in the address bar, then try again.",
  NotFoundError: "There is no camera here.",
  NotReadableError: "The camera cannot be opened; another program may be using it.",
};

/** Whether this browser would let this page ask for a camera at all. */
export function hasCamera() {
  return window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
}

/** @param {{loader: import("../state/loader.js").Loader, onClose: () => void}} props */
export function Camera({ loader, onClose }) {
  const video = useRef(null);
  const [state, setState] = useState({ ready: false, problem: "" });
  useEffect(() => {
    let stream = null;
    let closed = false;
    const open = async () => {
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: LONGEST } }, audio: false });
      } catch (error) {
        if (!closed) setState({ ready: false, problem: REASONS[error.name] ?? `The camera cannot be opened: ${error.message}` });
        return;
      }
      if (closed) stop(stream); // the permission came after the person had gone
      else video.current.srcObject = stream;
    };
    void open();
    return () => {
      closed = true;
      stop(stream);
    };
  }, []);
  const take = async () => {
    const file = await pictureOf(video.current);
    picking.value = false;
    openFile(loader, file);
  };
  return html`<section class="camera" aria-label="Camera">
    ${
      state.problem
        ? html`<p class="camera-problem" role="alert">${state.problem}</p>`
        : html`<video ref=${video} autoplay muted playsinline aria-label="what the camera sees" data-ready=${state.ready}
            onPlaying=${() => setState({ ready: true, problem: "" })}></video>`
    }
    <p class="camera-tools">
      ${!state.problem && html`<button type="button" class="primary" disabled=${!state.ready} onClick=${() => void take()}>${state.ready ? "Take the picture" : "Asking for the camera …"}</button>`}
      <button type="button" class="quiet" onClick=${onClose}>${state.problem ? "Back" : "Close the camera"}</button>
    </p>
  </section>`;
}

function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** What the video shows right now, as a file. */
async function pictureOf(video) {
  const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
  const canvas = new OffscreenCanvas(Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  const taken = new Date().toTimeString().slice(0, 8); // 14:03:22
  return new File([await canvas.convertToBlob({ type: "image/png" })], `camera ${taken}`, { type: "image/png" });
}
