// A photo from the camera: a dialog where the browser allows it, otherwise the camera's own app on a phone.

export function setUpCamera(button, capture, give) {
  const dialog = document.getElementById("shot");
  const video = document.getElementById("video");
  const problem = document.getElementById("shot-problem");
  const take = document.getElementById("take");
  let stream = null;

  function end() {
    stream?.getTracks().forEach((each) => each.stop());
    stream = null;
    video.srcObject = null;
  }

  button.addEventListener("click", async () => {
    if (!navigator.mediaDevices?.getUserMedia) {  // only https and localhost have it
      capture.click();
      return;
    }
    problem.textContent = "";
    take.disabled = true;
    dialog.showModal();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (!dialog.open) { end(); return; }
      const shown = new Promise((resolve) => video.addEventListener("loadeddata", resolve, { once: true }));
      video.srcObject = stream;
      await shown;  // before its first frame a photo would be empty
      take.disabled = false;
      take.focus();
    } catch (error) {
      problem.textContent = error.name === "NotAllowedError" ? "The browser may not use the camera." : "No camera was found.";
    }
  });
  take.addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const name = `camera-${new Date().toISOString().slice(11, 19).replaceAll(":", "")}.jpg`;
    canvas.toBlob((blob) => { if (blob) give([new File([blob], name, { type: "image/jpeg" })]); }, "image/jpeg", 0.95);
    dialog.close();
  });
  document.getElementById("stop").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", end);
  capture.addEventListener("change", () => { give([...capture.files]); capture.value = ""; });
}
