/* Browser side of dltk_runtime.lab.extension. JupyterLab loads this file as it is; there is no build step.
 *
 * A prebuilt extension is a container of webpack's module federation: JupyterLab calls `init` with its
 * shared modules, then `get('./extension')` for the plugins.
 */
(() => {
  let shared;

  /** Load a module that JupyterLab shares, in JupyterLab's own version. */
  const load = async name => (await Object.values(shared[name])[0].get())();

  const plugin = {
    id: 'dltk-runtime:plugin',
    autoStart: true,
    description: 'Reviews saved notebooks as algorithms, marks their cells, fits them on staged data, and creates notebooks.'
  };

  const makePlugin = async () => {
    const [notebook, launcher, apputils, services, coreutils] = await Promise.all(
      ['@jupyterlab/notebook', '@jupyterlab/launcher', '@jupyterlab/apputils', '@jupyterlab/services', '@jupyterlab/coreutils'].map(load)
    );
    const { Dialog, InputDialog, Notification, showDialog } = apputils;
    const settings = services.ServerConnection.makeSettings();

    /** Send a request below /dltk and return the JSON of the answer. */
    const ask = async (path, init = {}) => {
      const url = coreutils.URLExt.join(settings.baseUrl, 'dltk', path);
      const response = await services.ServerConnection.makeRequest(url, init, settings);
      const answer = await response.json();
      if (!response.ok) {
        throw new Error(answer.message || response.statusText);
      }
      return answer;
    };

    /** Put a badge on the cells that are the algorithm, as they were saved. */
    const showBadges = async panel => {
      const review = await ask(`review?path=${encodeURIComponent(panel.context.path)}`);
      const exported = new Set(review.algorithm ? review.exported : []);
      panel.content.widgets.forEach((cell, index) => {
        const name = cell.model.getMetadata('name');
        cell.toggleClass('dltk-exported', exported.has(index + 1));
        cell.node.dataset.dltkBadge = typeof name === 'string' ? `service: ${name}` : 'service';
      });
    };

    const style = document.createElement('style');
    style.textContent = `.dltk-exported { position: relative }
      .dltk-exported::after { content: attr(data-dltk-badge); position: absolute; top: 2px; right: 8px; z-index: 1;
        padding: 0 6px; border-radius: 8px; font-size: 10px; pointer-events: none;
        color: var(--jp-ui-inverse-font-color1); background: var(--jp-brand-color1) }`;
    document.head.appendChild(style);

    /** Fit the notebook on staged data in a process of its own, and show how it ended. */
    const fitStaged = async panel => {
      const path = panel.context.path;
      await panel.context.save();
      const { staged } = await ask(`staged?path=${encodeURIComponent(path)}`);
      if (!staged.length) {
        Notification.warning('No staged data. A search with mode=stage puts rows and parameters beside the notebooks.');
        return;
      }
      const { value } = await InputDialog.getItem({ title: 'Fit as the service would, on', items: staged });
      if (!value) {
        return;
      }
      const id = Notification.emit(`${path}: fit on ${value} …`, 'in-progress', { autoClose: false });
      const show = (message, type, actions = []) => {
        if (!Notification.update({ id, message, type, autoClose: false, actions })) {
          Notification.emit(message, type, { autoClose: false, actions }); // somebody has put the first one away
        }
      };
      try {
        const ended = await ask('fit', { method: 'POST', body: JSON.stringify({ path, staged: value }) });
        const all = () => showDialog({ title: path, body: ended.text, buttons: [Dialog.okButton()] });
        const actions = [{ label: 'Show all', callback: all }];
        const lines = ended.text.split('\n').filter(line => line.trim());
        const message = lines.at(ended.done ? 0 : -1) ?? 'nothing was printed';
        show(message, ended.done ? 'success' : 'error', actions);
      } catch (error) {
        show(error.message, 'error');
      }
    };

    const shown = new Map(); // path -> notification of the last save

    /** Show the review of a saved notebook. */
    const showReview = async path => {
      const review = await ask(`review?path=${encodeURIComponent(path)}`);
      if (shown.has(path)) {
        Notification.dismiss(shown.get(path)); // without an identity it would dismiss those of everybody
        shown.delete(path);
      }
      if (!review.algorithm) {
        return; // not an algorithm
      }
      const [type, autoClose] = review.problems.length ? ['error', false] : review.hints.length ? ['warning', 15000] : ['success', 3000];
      const all = () => showDialog({ title: path, body: review.text, buttons: [Dialog.okButton()] });
      const actions = type === 'success' ? [] : [{ label: 'Show all', callback: all }];
      shown.set(path, Notification.emit(review.brief, type, { autoClose, actions }));
    };

    plugin.requires = [notebook.INotebookTracker];
    plugin.optional = [launcher.ILauncher, apputils.ICommandPalette];
    plugin.activate = async (app, tracker, menu, palette) => {
      const failed = error => console.error('dltk-runtime:', error);
      tracker.widgetAdded.connect((_, panel) => {
        panel.context.ready.then(() => showBadges(panel)).catch(failed);
        panel.context.saveState.connect((context, state) => {
          if (state === 'completed') {
            showReview(context.path).catch(failed);
            showBadges(panel).catch(failed);
          }
        });
      });
      app.commands.addCommand('dltk:fit-staged', {
        label: 'Fit on staged data as the service would',
        caption: 'Runs the saved cells with a badge, in a process of their own',
        isEnabled: () => tracker.currentWidget !== null,
        execute: () => fitStaged(tracker.currentWidget)
      });
      app.contextMenu.addItem({ command: 'dltk:fit-staged', selector: '.jp-Notebook', rank: 100 });
      if (palette) {
        palette.addItem({ command: 'dltk:fit-staged', category: 'DLTK' });
      }
      app.commands.addCommand('dltk:new', {
        label: args => `Algorithm (${args.template})`,
        caption: 'A notebook that works with fit and apply in Splunk',
        execute: async args => {
          const { value } = await InputDialog.getText({ title: 'Name of the algorithm', placeholder: 'my_algorithm' });
          if (!value) {
            return;
          }
          try {
            const made = await ask('new', { method: 'POST', body: JSON.stringify({ name: value, template: args.template }) });
            await app.commands.execute('docmanager:open', { path: made.path });
          } catch (error) {
            Notification.error(error.message);
          }
        }
      });
      if (menu) {
        const { templates } = await ask('templates');
        templates.forEach((template, rank) => menu.add({ command: 'dltk:new', category: 'Notebook', rank: 10 + rank, args: { template } }));
      }
    };
    return { __esModule: true, default: plugin };
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB['dltk-runtime'] = {
    init: scope => {
      shared = scope;
    },
    get: async () => {
      const module = await makePlugin();
      return () => module;
    }
  };
})();
